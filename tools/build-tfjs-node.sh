#!/usr/bin/env bash
# Makes a working @tensorflow/tfjs-node from package registries alone, for the `tensorflow` lane of the tests.
#
#   tools/build-tfjs-node.sh PREFIX
#   SPECTRA_TFJS_NODE=PREFIX/node_modules/@tensorflow/tfjs-node SPECTRA_BACKEND=tensorflow pnpm conformance
#
# The package's own install script downloads libtensorflow from a web host. The same library, with the C headers,
# is in TensorFlow's Python wheel, and the addon is two C++ files; so this needs npm, pip and g++, no node-gyp.
# tfjs-core and tfjs-backend-cpu become links to this workspace's copies: two cores would register every kernel
# twice. PREFIX (about 0.6 GB) can be cached; a second run only links and checks. Linux x86-64 only.
set -euo pipefail

TFJS=4.22.0
TENSORFLOW=2.18.1
WHEEL_SHA256=810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298
HEADERS=1.9.0
NAPI=8

[ $# -eq 1 ] || { sed -n '2,11p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd -P)
mkdir -p "$1"
prefix=$(cd "$1" && pwd -P)
package=$prefix/node_modules/@tensorflow/tfjs-node
library=$prefix/libtensorflow/tensorflow
stamp="tfjs-node $TFJS, tensorflow-cpu $TENSORFLOW, napi $NAPI, recipe 1"

build() {
  echo '{"private": true}' >"$prefix/package.json"
  (cd "$prefix" && npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
    "@tensorflow/tfjs-node@$TFJS" "node-api-headers@$HEADERS")

  find "$prefix/node_modules/@tensorflow" -name '*.map' -type f -delete

  local wheels
  wheels=$(mktemp -d "$prefix/wheel.XXXXXX")
  echo "tensorflow-cpu==$TENSORFLOW --hash=sha256:$WHEEL_SHA256" >"$wheels/requirements.txt"
  python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --disable-pip-version-check \
    --implementation cp --python-version 3.11 --abi cp311 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 -d "$wheels" -r "$wheels/requirements.txt"
  rm -rf "$prefix/libtensorflow"
  python3 - "$wheels"/*.whl "$prefix/libtensorflow" <<'PY'
import sys, zipfile
wheel, out = sys.argv[1:]
headers = ("tensorflow/include/tensorflow/c/", "tensorflow/include/tensorflow/core/platform/",
           "tensorflow/include/xla/tsl/c/", "tensorflow/include/xla/tsl/platform/",
           "tensorflow/include/tsl/platform/", "tensorflow/include/tensorflow/tsl/")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(headers) and name.endswith(".h") or name.startswith("tensorflow/libtensorflow_"):
            archive.extract(name, out)
PY
  rm -rf "$wheels"
  ln -s libtensorflow_cc.so.2 "$library/libtensorflow.so"
  ln -s libtensorflow_framework.so.2 "$library/libtensorflow_framework.so"
  strip --strip-unneeded "$library"/libtensorflow_*.so.2

  mkdir -p "$package/deps" "$package/lib/napi-v$NAPI"
  ln -sfn "$library" "$package/deps/lib"
  g++ -std=c++17 -O2 -fPIC -shared -w -DNAPI_VERSION=$NAPI -DNODE_GYP_MODULE_NAME=tfjs_binding \
    -I"$library/include" -I"$prefix/node_modules/node-api-headers/include" \
    "$package"/binding/tfjs_backend.cc "$package"/binding/tfjs_binding.cc \
    -o "$package/lib/napi-v$NAPI/tfjs_binding.node" -L"$library" -ltensorflow -ltensorflow_framework \
    -Wl,-rpath,'$ORIGIN/../../deps/lib' -Wl,-rpath-link,"$library"
  echo "$stamp" >"$prefix/stamp"
}

[ "$(cat "$prefix/stamp" 2>/dev/null)" = "$stamp" ] || build
for name in tfjs-core tfjs-backend-cpu; do
  copy=$(cd "$root/packages/tensor/node_modules/@tensorflow/$name" && pwd -P)
  rm -rf "$prefix/node_modules/@tensorflow/$name"
  ln -s "$copy" "$prefix/node_modules/@tensorflow/$name"
done

cd "$root/packages/tensor"
SPECTRA_TFJS_NODE=$package node --conditions=@spectra/source --input-type=module -e "
  import { setBackend } from '@spectra/tensor';
  import * as tf from '@tensorflow/tfjs-core';
  const { device } = await setBackend('tensorflow');
  const [sum] = await tf.sum(tf.matMul(tf.ones([3, 4]), tf.ones([4, 5]))).data();
  if (sum !== 60) throw new Error('a product of ones gave ' + sum);
  console.log('tfjs-node: ' + device + ', Node ' + process.version + ', ok');
"
