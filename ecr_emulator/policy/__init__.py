"""IAM policy documents: grammar, rendering and evaluation; pure logic, no I/O."""
