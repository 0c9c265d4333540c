"""Builds qrt: the packages live in rooms named for what they hold, not under one folder."""

from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
INCLUDE = ["runtime", "runtime/kernels", "schema"]
FLAGS = ["-O3", "-std=c99", "-fno-math-errno"]

SCHEMA = ["schema/qrt_model.c", "schema/qrt_structure.c", "schema/qrt_graph.c", "schema/qrt_operators.c"]
# What pyproject.toml asks for to build; the tests build wheels without fetching it anew.
BUILD = ["setuptools>=77", "cython>=3.1"]

KERNELS = ["runtime/kernels/portable.c", "runtime/kernels/portable_conv.c", "runtime/kernels/portable_move.c"]
# Sets for one kind of CPU, and the choice among them; each file compiles to nothing elsewhere.
X86_KERNELS = [
    "runtime/kernels/product.c",
    "runtime/kernels/avx2.c",
    "runtime/kernels/avx2_winograd.c",
    "runtime/kernels/avx2_depthwise.c",
    "runtime/kernels/avx2_rows.c",
    "runtime/kernels/avx2_move.c",
    "runtime/kernels/avx2_pools.c",
    "runtime/kernels/avx512vnni.c",
    "runtime/kernels/avx512_depthwise.c",
    "runtime/kernels/avx512_depthwise_pack.c",
    "runtime/kernels/avx512_depthwise_sum.c",
    "runtime/kernels/avx512_add.c",
    "runtime/kernels/avx512_rows.c",
    "runtime/kernels/avx512_pools.c",
    "runtime/kernels/amx.c",
]
DISPATCH = ["runtime/kernels/dispatch.c", "runtime/kernels/peak.c"]
THREADS = ["runtime/qrt_split.c", "runtime/qrt_pool.c"]
HEADERS = [
    "schema/qrt_model.h",
    "schema/qrt_check.h",
    "schema/qrt_read.h",
    "schema/qrt_rules.h",
    "runtime/qrt_prepare.h",
    "runtime/qrt_split.h",
    "runtime/qrt_pool.h",
    "runtime/crc32.h",
    "runtime/kernels/qrt_kernels.h",
    "runtime/kernels/qrt_math.h",
    "runtime/kernels/portable.h",
    "runtime/kernels/portable_walk.h",
    "runtime/kernels/x86.h",
    "runtime/kernels/lanes.h",
    "runtime/kernels/avx2.h",
    "runtime/kernels/avx2_requant.h",
    "runtime/kernels/avx2_emit.h",
    "runtime/kernels/avx2_image.h",
    "runtime/kernels/avx512_requant.h",
    "runtime/kernels/avx512_emit.h",
    "runtime/kernels/avx512_depthwise.h",
    "runtime/kernels/avx512_rows.h",
    "runtime/kernels/avx512_image.h",
    "runtime/kernels/image.h",
    "runtime/kernels/product.h",
    "runtime/kernels/dispatch.h",
    "runtime/kernels/peak.h",
    "runtime/kernels/dispatch.pxd",
    "runtime/kernels/qrt_kernels.pxd",
    "runtime/_reference_move.pxi",
    "runtime/_reference_rows.pxi",
]

EXTENSIONS = [
    Extension(
        "qrt._executor",
        [
            "runtime/_executor.pyx",
            "runtime/qrt_prepare.c",
            "runtime/crc32.c",
            *SCHEMA,
            *KERNELS,
            *X86_KERNELS,
            *DISPATCH,
            *THREADS,
        ],
        include_dirs=[*INCLUDE, numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=[*FLAGS, "-pthread"],
        extra_link_args=["-pthread"],
        depends=HEADERS,
    ),
    Extension(
        "qrt._reference",
        ["runtime/_reference.pyx"],
        include_dirs=INCLUDE,
        extra_compile_args=FLAGS,
        depends=HEADERS,
    ),
]

setup(
    name="qrt",
    version="0.1.0",
    description="Compiler and integer-only runtime for int8 neural networks, the same bytes everywhere",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=[
        "qrt",
        "qrt.schema",
        "qrt.compiler",
        "qrt.compiler.backends",
        "qrt.compiler.frontends",
        "qrt.compiler.passes",
        "qrt.cli",
    ],
    package_dir={"qrt": "runtime", "qrt.schema": "schema", "qrt.compiler": "compiler", "qrt.cli": "cli"},
    package_data={
        "qrt": ["py.typed", "*.pyi"],
        "qrt.schema": ["SPEC.md", "qrt.fbs"],
    },
    include_package_data=False,
    ext_modules=cythonize(EXTENSIONS, include_path=["runtime/kernels", "runtime", "schema"], language_level=3),
    install_requires=["numpy>=1.26", "flatbuffers>=23.5", "click>=8.2", "rich>=13"],
    extras_require={
        # onnxruntime's quantizer imports sympy and does not ask for it.
        "onnx": ["onnx>=1.16", "onnxruntime>=1.18", "sympy>=1.12"],
        "torch": ["torch>=2.13", "torchao>=0.18"],
        "plot": ["matplotlib>=3.8"],
        "tflite": ["tflite>=2.18"],
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.2",
            "hypothesis>=6.100",
            "onnx>=1.16",
            "onnxruntime>=1.18",
            "sympy>=1.12",
            "tflite>=2.18",
            "build>=1.2",
            *BUILD,
        ],
        # Engines whose bytes the tests compare, in the versions that the figures are of.
        "peers": [
            "ai-edge-litert>=2.0",
            "tflite-micro==0.dev20261023182759",
            "torch==2.13.0",
            "torchao==0.18.0",
            "scikit-learn>=1.4",
            "matplotlib>=3.8",
        ],
        "fuzz": ["atheris>=3.0"],
        "lint": ["ruff>=0.15", "mypy>=1.15", "clang-format==19.1.7"],
        "bench": [
            "ai-edge-litert>=2.0",
            "matplotlib>=3.8",
            "onnx>=1.16",
            "onnxruntime>=1.18",
            "openvino>=2025.0",
            "tflite>=2.18",
        ],
    },
    entry_points={"console_scripts": ["qrt = qrt.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: C",
        "Programming Language :: Cython",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Software Development :: Compilers",
        "Topic :: Software Development :: Embedded Systems",
        "Typing :: Typed",
    ],
    zip_safe=False,
)
