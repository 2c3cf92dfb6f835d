"""A virtual patient as layers of tissue: head, brain, ears, vessels, schwannoma."""
