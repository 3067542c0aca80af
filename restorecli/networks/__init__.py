"""The networks: nn.Modules only, no files, no devices, no pictures but tensors."""
