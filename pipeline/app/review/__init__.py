"""`cmr review`: correct a segmentation in the browser, see docs/review.md."""
