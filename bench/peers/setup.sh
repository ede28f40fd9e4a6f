#!/bin/sh
# Makes a throw-away Python environment with PyTorch for the benchmarks: bench/peers/setup.sh PREFIX
# torch.compile also needs a C++ compiler (g++).
set -eu
prefix=${1:?usage: bench/peers/setup.sh PREFIX}
python3 -m venv "$prefix"
"$prefix/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
"$prefix/bin/python" -c 'import torch; print("PyTorch", torch.__version__)'
echo "export SPECTRA_PYTHON=$prefix/bin/python"
