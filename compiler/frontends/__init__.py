"""Frontends: each turns one kind of file into a source graph (`qrt.compiler.ir`), 1:1 with its nodes."""
