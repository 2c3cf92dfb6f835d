"""Test-time adaptation: a scan of a scanner that nobody trained on helps, by itself, to label it.

``choice`` names the methods, ``inferer`` labels a scan with and without one and keeps the more plausible; a method is a
module of its own, like ``vptta``.
"""
