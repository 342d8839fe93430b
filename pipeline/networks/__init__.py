"""Networks: tensors in, logits out. No files, no settings of their own."""
