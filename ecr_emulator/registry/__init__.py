"""What a registry is and does; knows no HTTP and neither of the doors."""
