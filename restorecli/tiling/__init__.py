"""Any network over a photo too large for it: tiles that overlap, cut and put together."""
