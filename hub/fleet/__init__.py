"""The demo fleet: three real processes with pretended work, and a platform that hosts them."""
