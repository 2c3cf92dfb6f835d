"""Folders of virtual patients in the layout of crossMoDA 2022."""
