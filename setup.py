"""Builds qrt: the packages live in rooms named for what they hold, not under one folder."""

import os
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
# Where C includes and Cython's cimports are looked for.
INCLUDE = ["runtime", "runtime/kernels", "schema"]
PXD = ["runtime/kernels", "runtime/engine", "runtime/host", "schema"]
FLAGS = ["-O3", "-std=c99", "-fno-math-errno"]
# Microsoft's compiler has neither the atomics nor functions with instructions of their own. On Windows zig's clang,
# which pip installs for the build, makes what its Python loads; MS_WIN64 is what older headers of Python define for
# Microsoft's compiler only.
ZIG = {"win-amd64": "x86_64-windows-gnu", "win-arm64": "aarch64-windows-gnu"}.get(sysconfig.get_platform())
if ZIG:
    os.environ.setdefault("CC", f"python -m ziglang cc -target {ZIG}")
THREADS = [] if ZIG else ["-pthread"]
MACROS = [("MS_WIN64", "")] if ZIG else []
# What pyproject.toml asks for to build; the tests build wheels without fetching it anew.
BUILD = ["setuptools>=77", "cython>=3.1"]


def found(*patterns: str) -> list[str]:
    """The files that match, relative to this one."""
    return sorted(path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern))


ALL_SOURCES = ("schema/*.c", "runtime/engine/*.c", "runtime/kernels/portable/*.c")
# Kernels for other families of processors compile to nothing.
SOURCES = found(*ALL_SOURCES, "runtime/host/*.c", "runtime/kernels/x86/**/*.c", "runtime/kernels/arm/neon/*.c")
DEVICE_SOURCES = found(*ALL_SOURCES, "runtime/kernels/arm/dsp/*.c", "runtime/kernels/arm/mve/*.c")
HEADERS = found("schema/*.h", "runtime/**/*.h", "runtime/**/*.px[di]")
# The C of kernels for devices.
KERNELS = [f"kernels/{folder}/*.[ch]" for folder in ("portable", "arm/dsp", "arm/mve")]
# The package of each folder of modules.
PACKAGE_DIR = {
    "qrt": "runtime",
    "qrt.schema": "schema",
    "qrt.compiler": "compiler",
    "qrt.cli": "cli",
    "qrt.firmware": "firmware",
    "qrt.data": "data",
    "qrt.evaluation": "evaluation",
    "qrt.report": "report",
    "qrt.explorer": "explorer",
}
PACKAGES = [
    ".".join([package, *Path(path).parent.relative_to(folder).parts])
    for package, folder in PACKAGE_DIR.items()
    for path in found(f"{folder}/**/__init__.py")
]

# The workflow that builds a release runs in the repository that it is published from; a build elsewhere names none.
REPOSITORY = "/".join(os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY")).strip("/")
URLS = {
    "Source": REPOSITORY,
    "Documentation": f"{REPOSITORY}/blob/main/README.md",
    "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
    "Issues": f"{REPOSITORY}/issues",
}

# Packages that several extras ask for. onnxruntime's quantizer imports sympy and does not ask for it.
ONNX = ["onnx>=1.16", "onnxruntime>=1.18", "sympy>=1.12"]
TFLITE = ["tflite>=2.18"]
PLOT = ["matplotlib>=3.8"]
# Readers of images, sound and tables of samples.
DATA = ["pillow>=10", "soundfile>=0.12", "pyarrow>=15", "tomli>=2; python_version < '3.11'"]
DASK = ["distributed>=2024.8"]
EXPLORER = ["ai-edge-model-explorer>=0.1.30"]
# A C compiler for every target, an emulator of Cortex-M and RISC-V, and readers of programs and instructions.
DEVICE = ["ziglang>=0.13", "unicorn>=2.1", "pyelftools>=0.31", "capstone>=5.0"]
# A compiler for microcontrollers to compare with, in the version that the figures are of.
BAKENN = ["bakenn[tflite]==1.0.0"]
# Engines whose bytes the tests compare, for the machines and Pythons that they have wheels for; TFLM in the version
# that the figures are of.
LITERT = [
    "ai-edge-litert>=2.0; python_version < '3.15' and (sys_platform == 'linux' and platform_machine in 'x86_64 aarch64'"
    " or sys_platform == 'darwin' and platform_machine == 'arm64')"
]
# LiteRT's quantizer, which runs networks in LiteRT.
TFLITE_CALIBRATE = [*TFLITE, f"litert-quantizer>=0.11;{LITERT[0].split(';')[1]}"]
TFLM = [
    "tflite-micro==0.dev20261023182759;"
    " python_version < '3.15' and sys_platform == 'linux' and platform_machine == 'x86_64'"
]
# TFLM's audio frontend.
MICRO_FEATURES = ["pymicro-features>=2.0; sys_platform == 'linux' and platform_machine in 'x86_64 aarch64'"]

EXTENSIONS = [
    Extension(
        "qrt._executor",
        ["runtime/_executor.pyx", *SOURCES],
        include_dirs=[*INCLUDE, numpy.get_include()],
        define_macros=[*MACROS, ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=[*FLAGS, *THREADS],
        extra_link_args=THREADS,
        depends=HEADERS,
    ),
    Extension(
        "qrt._prepared",
        ["runtime/_prepared.pyx", *DEVICE_SOURCES],
        include_dirs=INCLUDE,
        define_macros=MACROS,
        extra_compile_args=FLAGS,
        depends=HEADERS,
    ),
    Extension(
        "qrt._reference",
        ["runtime/_reference.pyx"],
        include_dirs=INCLUDE,
        define_macros=MACROS,
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
    author="The qrt authors",
    project_urls=URLS if REPOSITORY else {},
    keywords=[
        *("neural networks", "quantization", "int8", "integer arithmetic", "inference", "compiler"),
        *("microcontroller", "TinyML", "Cortex-M", "ONNX", "TensorFlow Lite", "PyTorch"),
    ],
    # The page of qrt report contains libraries of JavaScript: NOTICE.
    license_expression="Apache-2.0 AND BSD-3-Clause AND ISC AND MIT",
    license_files=["LICENSE", "NOTICE", "report/page/built/licenses.txt"],
    python_requires=">=3.10",
    packages=PACKAGES,
    package_dir=PACKAGE_DIR,
    package_data={
        "qrt": ["py.typed", "*.pyi", "engine/*.[ch]", "kernels/*.h", *KERNELS],
        "qrt.schema": ["SPEC.md", "qrt.fbs", "*.[ch]"],
        "qrt.report": ["page/built/*"],
        "qrt.firmware": ["*.[ch]", "generate/turns/*.[ch]", "boards/**/*", "emulators/*.c", "projects/templates/**/*"],
    },
    include_package_data=False,
    ext_modules=cythonize(EXTENSIONS, include_path=PXD, language_level=3),
    options={"build_ext": {"compiler": "mingw32"}} if ZIG else {},
    # Before 2.0, numpy's integers have 32 bits on Windows.
    install_requires=[
        "numpy>=1.26",
        "numpy>=2.0; sys_platform == 'win32'",
        "flatbuffers>=23.5",
        "click>=8.2",
        "rich>=13",
    ],
    extras_require={
        "onnx": ONNX,
        "torch": ["torch>=2.13", "torchao>=0.18"],
        "plot": PLOT,
        "tflite": TFLITE,
        "tflite-calibrate": TFLITE_CALIBRATE,
        "device": DEVICE,
        "data": DATA,
        "dask": DASK,
        "explorer": EXPLORER,
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.2",
            "hypothesis>=6.100",
            "build>=1.2",
            # The formats of Zephyr's files.
            "kconfiglib>=14.1",
            "pyyaml>=6",
            *BUILD,
            *ONNX,
            *TFLITE_CALIBRATE,
            *DEVICE,
            *LITERT,
            *TFLM,
            *MICRO_FEATURES,
            *DATA,
            *DASK,
            # A browser that opens pages of qrt report; Chromium itself is Debian's.
            "playwright>=1.50",
        ],
        # Large packages, for the tests that compare with them; in the versions that the figures are of.
        "peers": ["torch==2.13.0", "torchao==0.18.0", "scikit-learn>=1.4", *PLOT, *EXPLORER],
        "fuzz": ["atheris>=3.0"],
        "lint": ["ruff>=0.15", "mypy>=1.15", "clang-format==19.1.7"],
        # The site, whose notebooks run while it is built.
        "docs": ["sphinx>=8", "furo>=2024.8", "myst-nb>=1.2", "ipykernel>=6", *ONNX, *DATA, *PLOT],
        "bench": ["openvino>=2025.0", *ONNX, *TFLITE, *LITERT, *PLOT, *DEVICE, *BAKENN],
    },
    entry_points={"console_scripts": ["qrt = qrt.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        "Operating System :: POSIX",
        "Programming Language :: C",
        "Programming Language :: Cython",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Software Development :: Compilers",
        "Topic :: Software Development :: Embedded Systems",
        "Typing :: Typed",
    ],
    zip_safe=False,
)
