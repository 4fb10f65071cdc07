#!/usr/bin/env python3
"""Fails on a recipe of packaging/ that does not fit the tree.

Each option of CMake that a recipe gives must be one of the tree's, and each optional library be said to be used or not,
so that none is found by chance. Versions must not be older than CMake asks for. Shell parts must be shell, Debian's
packages be in tools/setup.sh or known to apt-cache, and files that are copied be there.
Spack's recipe is run, for each of its variants alone, against stand-ins for what it uses of Spack, and vcpkg's port, for
each of its features, against stand-ins for vcpkg's functions.
"""
import itertools
import json
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

from check_common import main

APPTAINER = "packaging/apptainer/mec.def"
SPACK = "packaging/spack/packages/mec/package.py"
VCPKG = "packaging/vcpkg/mec"
CMAKES_OWN = {"CMAKE_BUILD_TYPE", "CMAKE_INSTALL_PREFIX", "CMAKE_CUDA_ARCHITECTURES"}
PROCESSORS = "OPENMP"  # the compiler's, not a package


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


class Tree:
    """What the build can be told, and asks for."""
    def __init__(self, root):
        text = "\n".join(path.read_text() for path in [root / "CMakeLists.txt", *sorted((root / "cmake").glob("*.cmake"))])
        libraries = re.findall(r"^mec_optional\((\w+)", text, re.MULTILINE)
        self.libraries = {f"MEC_{name}" for name in libraries if name != PROCESSORS} | {"MEC_CUDA"}
        self.options = (self.libraries | {f"MEC_{PROCESSORS}"} | CMAKES_OWN | set(re.findall(r"^option\((MEC_\w+)", text, re.MULTILINE)) |
                        set(re.findall(r"^set\((MEC_\w+) [^\n]* CACHE", text, re.MULTILINE)) |
                        {f"MEC_{name}_INCLUDE_DIR" for name in re.findall(r"^ *mec_header_only\((\w+)", text, re.MULTILINE)})
        self.version = re.search(r"^project\(\w+ VERSION ([\d.]+)", text, re.MULTILINE).group(1)
        patterns = {"cmake": r"cmake_minimum_required\(VERSION ([\d.]+)", "cuda": r"find_package\(CUDAToolkit ([\d.]+)",
                    "cudnn": r"MecCudnn_VERSION VERSION_LESS ([\d.]+)", "libtiff": r"^mec_optional\(TIFF .* ([\d.]+)\)"}
        self.least = {name: re.search(pattern, text, re.MULTILINE).group(1) for name, pattern in patterns.items()}

    def check_options(self, where, given, whole=True):
        for name in sorted(set(given) - self.options):
            yield f"{where}: CMake has no option {name}"
        if whole:
            for name in sorted(self.libraries - set(given)):
                yield f"{where}: {name} is not said, and so depends on what the machine has"

    def check_version(self, where, name, given):
        if version(given) < version(self.least[name]):
            yield f"{where}: {name} {given} is older than {self.least[name]}, which CMake asks for"


# ---- Apptainer

def sections(text):
    """[(stage, section, lines)] of a definition."""
    found, stage = [], ""
    for line in text.splitlines():
        if line.startswith("Stage:"):
            stage = line.split(":")[1].strip()
        elif line.startswith("%"):
            found.append((stage, line.strip(), []))
        elif line.startswith("Bootstrap:"):
            found.append((stage, "", []))
        elif found:
            found[-1][2].append(line)
    return found


def debian_knows(package):
    """None where this machine has no lists of Debian's packages."""
    def known(name):
        try:
            return bool(subprocess.run(["apt-cache", "show", name], capture_output=True, text=True, check=False).stdout)
        except FileNotFoundError:
            return False
    return known(package) or (False if known("bash") else None)


def check_apptainer(root, tree):
    path = root / APPTAINER
    text = path.read_text()
    parts = sections(text)
    stages = {stage for stage, _, _ in parts}
    setup = set((root / "tools/setup.sh").read_text().split())
    for stage, section, lines in parts:
        if section.startswith("%files from ") and section.split()[-1] not in stages:
            yield f"{APPTAINER}: there is no stage {section.split()[-1]}"
        if section not in ("%post", "%runscript", "%test"):
            continue
        script = re.sub(r"\\\n", " ", "\n".join(lines))
        shell = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
        if shell.returncode:
            yield f"{APPTAINER}: {section} of {stage}: {shell.stderr.strip()}"
        for line in script.splitlines():
            words = line.split()
            if words[:2] == ["cmake", "-S"]:
                yield from tree.check_options(APPTAINER, re.findall(r"-D(\w+)=", line))
            if words[:2] == ["apt-get", "install"]:
                for package in [word for word in words[2:] if not word.startswith("-")]:
                    if package not in setup and debian_knows(package) is False:
                        yield f"{APPTAINER}: Debian has no package {package}"
            for name, package in (("cuda", r"nvidia-cuda-nvcc"), ("cudnn", r"nvidia-cudnn-cu\d+")):
                for given in re.findall(rf"\b{package}==([\d.]+)", line):
                    yield from tree.check_version(APPTAINER, name, given)
        for file in re.findall(r"(?<![\w/])/mec/([\w./]+)", script):
            if not (root / file).exists():
                yield f"{APPTAINER}: there is no {file}"


# ---- Spack

class Recipe:
    """Runs the recipe, and keeps what it says."""
    def __init__(self, path):
        self.variants, self.needs, self.packages = {"cuda": False}, [], []
        recipe = self

        class Package:
            def __init__(self, chosen):
                self.spec = types.SimpleNamespace(satisfies=lambda text: chosen[text.lstrip("+")],
                                                  variants={"cuda_arch": types.SimpleNamespace(value=("90",))})
                self.stage, self.chosen = types.SimpleNamespace(source_path="/source"), chosen

            def define(self, name, value):
                return name, value

            def define_from_variant(self, name, variant):
                return name, self.chosen[variant]

        def said(*_, **__):
            pass

        def depends_on(spec, when="", **_):
            recipe.needs.append((spec, when))

        def variant(name, default, description):
            recipe.variants[name] = default

        spack, package = types.ModuleType("spack"), types.ModuleType("spack.package")
        package.__dict__.update(CMakePackage=Package, CudaPackage=type("CudaPackage", (), {}), depends_on=depends_on, variant=variant,
                                version=said, resource=said, generator=said, conflicts=said)
        replaced = {name: sys.modules.get(name) for name in ("spack", "spack.package")}
        sys.modules.update({"spack": spack, "spack.package": package})
        try:
            scope = {"__file__": str(path)}
            exec(compile(path.read_text(), str(path), "exec"), scope)
        finally:
            for name, module in replaced.items():
                sys.modules.pop(name) if module is None else sys.modules.update({name: module})
        self.make = scope["Mec"]

    def arguments(self, chosen):
        return dict(self.make(chosen).cmake_args())


def check_spack(root, tree):
    path = root / SPACK
    if not (root / "packaging/spack/repo.yaml").is_file():
        yield "packaging/spack: repo.yaml is missing"
    try:
        recipe = Recipe(path)
        none = dict.fromkeys(recipe.variants, False)
        arguments = {name: recipe.arguments({**none, name: True}) for name in recipe.variants}
    except Exception as error:  # whatever is wrong with it
        yield f"{SPACK}: {error!r}"
        return
    for name, given in arguments.items():
        yield from tree.check_options(SPACK, given)
        on = {option for option in tree.libraries if given.get(option)}
        if on != {f"MEC_{name.upper()}"}:
            yield f"{SPACK}: variant {name} turns on {', '.join(sorted(on)) or 'nothing'}"
        if not any(when == f"+{name}" for _, when in recipe.needs):
            yield f"{SPACK}: variant {name} depends on nothing"
    for spec, _ in recipe.needs:
        name, _, least = spec.split()[0].rstrip(":").partition("@")
        if name in tree.least:
            yield from tree.check_version(SPACK, name, least or "0")


# ---- vcpkg

# Features become options; files are copied and removed for real, in a folder of the check's own.
STAND_INS = r"""cmake_minimum_required(VERSION 3.22)
function(vcpkg_check_features)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" OUT_FEATURE_OPTIONS FEATURES)
  set(options "")
  while(arg_FEATURES)
    list(POP_FRONT arg_FEATURES feature option)
    if(feature IN_LIST FEATURES)
      list(APPEND options "-D${option}=ON")
    else()
      list(APPEND options "-D${option}=OFF")
    endif()
  endwhile()
  set(${arg_OUT_FEATURE_OPTIONS} "${options}" PARENT_SCOPE)
endfunction()
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
  message("FEATURE ${FEATURES} SOURCE ${arg_SOURCE_PATH} OPTIONS ${arg_OPTIONS}")
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
  file(INSTALL ${arg_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
endfunction()
foreach(name vcpkg_cmake_install vcpkg_cmake_config_fixup vcpkg_fixup_pkgconfig vcpkg_copy_tools)
  cmake_language(EVAL CODE "function(${name})\nendfunction()")
endforeach()
foreach(FEATURES IN LISTS ALL_FEATURES)
  include("${CURRENT_PORT_DIR}/portfile.cmake")
endforeach()
"""


def run_port(port, features):
    """(status, output) of the portfile, for each of the features alone."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "run.cmake")
        script.write_text(STAND_INS)
        done = subprocess.run(["cmake", f"-DCURRENT_PORT_DIR={port}", f"-DCURRENT_PACKAGES_DIR={folder}/packages", "-DPORT=mec",
                               f"-DALL_FEATURES={';'.join(features)}", "-P", script], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check_vcpkg(root, tree):
    port = root / VCPKG
    try:
        manifest = json.loads((port / "vcpkg.json").read_text())
        features = manifest["features"]
        for name in set(manifest["default-features"]) - set(features):
            yield f"{VCPKG}: there is no feature {name}"
        needed = [need for feature in features.values() for need in feature["dependencies"]]
    except (OSError, ValueError, KeyError) as error:
        yield f"{VCPKG}/vcpkg.json: {error!r}"
        return
    if manifest["version"] != tree.version:
        yield f"{VCPKG}: the version is {manifest['version']}, but the tree's is {tree.version}"
    names = {"tiff": "libtiff"}
    for need in (need for need in needed if isinstance(need, dict)):
        if names.get(need["name"], need["name"]) in tree.least:
            yield from tree.check_version(VCPKG, names.get(need["name"], need["name"]), need["version>="])
    status, output = run_port(port, features)
    if status:
        yield f"{VCPKG}: portfile.cmake: {output.strip()}"
        return
    for name, source, options in re.findall(r"^FEATURE (\w+) SOURCE (.*) OPTIONS (.*)$", output, re.MULTILINE):
        if Path(source).resolve() != root.resolve():
            yield f"{VCPKG}: builds {source}"
        given = dict(option.split("=") for option in re.findall(r"-D(\w+=\w+)", options))
        yield from tree.check_options(VCPKG, given)
        on = {option for option in tree.libraries if given.get(option) == "ON"}
        if on != {f"MEC_{name.upper()}"}:
            yield f"{VCPKG}: feature {name} turns on {', '.join(sorted(on)) or 'nothing'}"


def check(root):
    tree = Tree(root)
    # Said once, though several variants meet it.
    return list(dict.fromkeys(itertools.chain(check_apptainer(root, tree), check_spack(root, tree), check_vcpkg(root, tree))))


CMAKE = """cmake_minimum_required(VERSION 3.22)
project(mec VERSION 0.1.0 LANGUAGES CXX)
option(MEC_TESTS "Build the tests" ON)
set(MEC_CUDA AUTO CACHE STRING "Build the CUDA backend")
find_package(CUDAToolkit 12.4 QUIET)
  elseif(MecCudnn_VERSION VERSION_LESS 9.8)
mec_optional(TIFF TIFF TIFF::TIFF "passed over" 4.5)
mec_header_only(stb stb_image.h stb)
"""
DEFINITION = """Bootstrap: docker
From: debian
Stage: build
%post
  apt-get install -y {package}
  pip3 install {nvcc}
  cmake -S /mec -DMEC_CUDA=ON {options}
{more}
%files from {stage}
  /opt /opt
"""
RECIPE = """from spack.package import *
class Mec(CMakePackage, CudaPackage):
    variant("tiff", default=True, description="TIFF")
    depends_on("{tiff}", when="{when}")
    depends_on("cuda@12.4:", when="+cuda")
    def cmake_args(self):
        return [self.define_from_variant("MEC_CUDA", "cuda"), self.define_from_variant("{option}", "{variant}")]
"""


MANIFEST = """{"name": "mec", "version": "VERSION", "default-features": ["DEFAULT"],
"features": {"cuda": {"dependencies": ["cuda"]}, "tiff": {"dependencies": [{"name": "tiff", "version>=": "TIFF"}]}}}"""
PORTFILE = """get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)
vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS FEATURES cuda MEC_CUDA PORT_FEATURE)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS ${FEATURE_OPTIONS} -DMEC_TESTS=OFF)
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/PORT_LICENSE")
"""


def planted(package="g++", nvcc="nvidia-cuda-nvcc==13.0.88", options="-DMEC_TIFF=ON", more="", stage="build",
            tiff="libtiff@4.5:", when="+tiff", option="MEC_TIFF", variant="tiff", port_version="0.1.0", port_default="tiff",
            port_tiff="4.5.0", port_feature="tiff MEC_TIFF", port_license="LICENSE"):
    manifest = MANIFEST.replace("VERSION", port_version).replace("DEFAULT", port_default).replace('"TIFF"', f'"{port_tiff}"')
    return {"CMakeLists.txt": CMAKE, "tools/setup.sh": "needed=' g++ '", "packaging/spack/repo.yaml": "", "LICENSE": "",
            APPTAINER: DEFINITION.format(package=package, nvcc=nvcc, options=options, more=more, stage=stage),
            SPACK: RECIPE.format(tiff=tiff, when=when, option=option, variant=variant), f"{VCPKG}/vcpkg.json": manifest,
            f"{VCPKG}/portfile.cmake": PORTFILE.replace("PORT_FEATURE", port_feature).replace("PORT_LICENSE", port_license)}


CASES = [
    (planted(), None),
    (planted(options="-DMEC_TIFF=ON -DMEC_TIF=ON"), "no option MEC_TIF"),
    (planted(options=""), "MEC_TIFF is not said"),
    (planted(nvcc="nvidia-cuda-nvcc==12.3.1"), "cuda 12.3.1 is older than 12.4"),
    (planted(more="  if true; then"), "%post of build"),
    (planted(more="  cp /mec/tools/none.sh /"), "no tools/none.sh"),
    (planted(stage="base"), "no stage base"),
    (planted(tiff="libtiff@4.0:"), "libtiff 4.0 is older than 4.5"),
    (planted(option="MEC_TIFF", variant="tif"), "KeyError"),
    (planted(when="+cuda"), "variant tiff depends on nothing"),
    (planted(port_version="0.2.0"), "the version is 0.2.0, but the tree's is 0.1.0"),
    (planted(port_default="tif"), "there is no feature tif"),
    (planted(port_tiff="4.4.0"), "libtiff 4.4.0 is older than 4.5"),
    (planted(port_feature="tiff MEC_TIFF tiff MEC_TIF"), "no option MEC_TIF"),
    (planted(port_feature="tif MEC_TIFF"), "feature tiff turns on nothing"),
    (planted(port_license="COPYING"), "portfile.cmake"),
]

if __name__ == "__main__":
    main(check, CASES)
