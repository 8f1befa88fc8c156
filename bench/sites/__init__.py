"""The sites that are compared. Run as a module, one prepares itself and prints its cookies."""
