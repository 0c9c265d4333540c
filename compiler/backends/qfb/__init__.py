"""The .qfb format: a lowered graph and its memory plan -> bytes, and back."""
