"""Evaluation protocols of the paper, each on its data set in the layout in which that set is published."""
