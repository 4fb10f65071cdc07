# One command for each task. CMake does the work: `cmake --preset release` and so on do the same
# without make.
#
#   make          build the program and the library   make bench    time a training step
#   make demo     learn Fashion-MNIST without labels  make minimal  build without optional libraries
#   make test     build and run the tests             make format   clang-format
#   make slow     the tests that take minutes         make tidy     clang-tidy
#   make asan     the tests under sanitizers          make install  into PREFIX, /usr/local
#   make tsan     those of threads, for data races    make mutants  do the tests notice small bugs?
#   make fuzz     made-up bytes into every reader     make wheel    for Python, into build/wheel
#   make static   one file that runs on any Linux     make deb      Debian packages, into build/deb
#   make clean    remove all builds
#
# `make mutants ROOM=ssl` asks the tests of one room, `make install PREFIX=/opt/mec` installs there,
# `make fuzz SECONDS=60` takes that long for each reader; with clang.

MAKEFLAGS += --no-print-directory
PREFIX ?= /usr/local
SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ROOMS = tensor autograd distributed nn data ssl eval transfer capi cli
# Fashion-MNIST, where `tools/setup.sh --prefix .deps` unpacked it.
DATA = .deps/usr/share/datasets/fashion-mnist

all: build/release

# Uses Ninja where it is installed. Libraries unpacked by `tools/setup.sh --prefix .deps` are found.
# Configuring each time takes a second, and notices libraries that were installed or removed. A
# cache from another folder (a copied tree) is dropped, since CMake would refuse it.
NINJA = $(if $(shell command -v ninja 2>/dev/null),-G Ninja)
DEPS = $(if $(wildcard .deps/usr),-DCMAKE_PREFIX_PATH=$(CURDIR)/.deps/usr)
here = grep -qsx 'CMAKE_HOME_DIRECTORY:INTERNAL=$(CURDIR)' $@/CMakeCache.txt
configure = if $(here); then cmake --preset $(@F) $(DEPS); else \
    rm -rf $@/CMakeCache.txt $@/CMakeFiles; cmake --preset $(@F) $(NINJA) $(DEPS) $(FIRST); fi
ctest = ctest --test-dir $< --output-on-failure

BUILDS = build/release build/dev build/asan build/tsan build/fuzz build/minimal build/static
$(BUILDS): setup
	@$(configure)
	@cmake --build $@ -j $(JOBS) $(ONLY)
demo bench: ONLY = --target mec_cli
fuzz: ONLY = --target mec_fuzz
tsan: ONLY = --target thread_tests
# The demo runs on the CPU: where nothing was built before, the GPU's kernels are left to the next
# `make`.
demo: FIRST = -DMEC_CUDA=OFF

setup:
	@tools/setup.sh --check || tools/setup.sh

demo: build/release
	rm -rf build/demo
	$</mec pretrain examples/configs/fashion_mnist.toml --out build/demo --within 10 $(if $(wildcard $(DATA)),--set data.path=$(DATA))
	$</mec eval table build/demo

test: build/release
	@$(ctest) --label-exclude slow -j $(JOBS)

slow: build/release
	@$(ctest) --label-regex slow

mutants:
	tools/mutate.py $(if $(ROOM),--room $(ROOM)) --jobs $(JOBS)

bench: build/release
	$</mec bench step --profile

asan: build/asan
	@$(ctest) --label-exclude 'slow|style'

tsan: build/tsan
	@$(ctest) --label-regex threads --label-exclude slow

fuzz: build/fuzz
	@tests/fuzz/run.py $< --seconds $(SECONDS)

minimal: build/minimal

tidy: build/dev
	@git ls-files -co --exclude-standard $(ROOMS:%='%/*.cpp') | xargs clang-tidy --quiet -p $<

format:
	@git ls-files -co --exclude-standard '*.h' '*.cpp' '*.cu' | xargs clang-format -i

wheel: build/release
	tools/make_wheel.py --build $< --out build/wheel

static: build/static
	@ls -l $</mec

deb: build/release
	cd $< && cpack -B $(CURDIR)/build/deb && rm -rf $(CURDIR)/build/deb/_CPack_Packages
	@ls -l build/deb

install: build/release
	cmake --install $< --prefix $(PREFIX)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then ldconfig || true; fi

clean:
	rm -rf build

.PHONY: $(BUILDS) all setup demo test slow mutants bench asan tsan fuzz minimal static tidy format wheel deb install clean
