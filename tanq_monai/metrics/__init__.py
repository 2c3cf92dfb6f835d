"""How good a segmentation is: Dice and average symmetric surface distance, per case, summarised and compared."""
