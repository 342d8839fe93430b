"""Pages that open from disk (report, worklist, evaluation) and the pictures in them."""
