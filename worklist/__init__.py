"""Cases, readers and routing: who may do what, when."""
