"""What published patients say of VS and cochleae: sizes, places, ears; and what a label map can be beside them."""
