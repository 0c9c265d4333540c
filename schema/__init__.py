"""The .qfb format: what the bytes of a compiled network mean.

``SPEC.md`` is normative, ``qrt.fbs`` defines the fields, ``generated`` is what flatc makes of it, and
``qrt_model.h`` is the C reader that proves a file valid before anything runs.
"""
