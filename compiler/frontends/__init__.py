"""Frontends: each turns one kind of file or module into a source graph (`qrt.compiler.ir`), one folder for each."""
