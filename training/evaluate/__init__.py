"""What shipped networks are worth, and what each of their parts is."""
