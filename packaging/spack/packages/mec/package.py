"""mec for Spack. In the top folder of a clone of the tree, of which the branch `main` is built:

    spack repo add packaging/spack
    spack install mec +mpi                      # many processes
    spack install mec +cuda cuda_arch=90        # an NVIDIA GPU
"""
from pathlib import Path

from spack.package import *

try:  # Spack 1.0 and newer
    from spack_repo.builtin.build_systems.cmake import CMakePackage
    from spack_repo.builtin.build_systems.cuda import CudaPackage
except ImportError:
    pass  # before, they are in spack.package


class Mec(CMakePackage, CudaPackage):
    """Trains image encoders without labels (Maximum Entropy Coding), in C++20 and CUDA."""

    git = Path(__file__).resolve().parents[4].as_uri()

    version("main", branch="main")

    variant("mpi", default=False, description="Many processes")
    variant("onednn", default=True, description="Convolutions by oneDNN on Intel's AVX-512")
    variant("blas", default=True, description="Factorisations by OpenBLAS and LAPACKE")
    variant("zlib", default=True, description="gzip-compressed IDX files")
    variant("jpeg", default=True, description="JPEG by libjpeg-turbo rather than stb_image")
    variant("png", default=True, description="PNG by libpng rather than stb_image")
    variant("webp", default=True, description="WebP files")
    variant("tiff", default=True, description="TIFF files")
    variant("gif", default=True, description="GIF files")
    variant("onnx", default=False, description="mec export writes ONNX files")

    depends_on("cxx", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("ninja", type="build")
    depends_on("nlohmann-json", type="build")
    depends_on("cli11", type="build")
    depends_on("tomlplusplus", type="build")
    # stb_image.h, as Debian 12 has it.
    resource(
        name="stb",
        git="https://github.com/nothings/stb.git",
        commit="8b5f1f37b5b75829fc72d38e7b5d4bcbf8a26d55",
        destination="",
        placement="stb",
    )

    depends_on("mpi@3:", when="+mpi")
    depends_on("onednn@2.6:", when="+onednn")
    depends_on("openblas threads=openmp", when="+blas")
    depends_on("zlib-api", when="+zlib")
    depends_on("libjpeg-turbo", when="+jpeg")
    depends_on("libpng", when="+png")
    depends_on("libwebp", when="+webp")
    depends_on("libtiff@4.5:", when="+tiff")
    depends_on("giflib", when="+gif")
    depends_on("onnx", when="+onnx")
    depends_on("protobuf", when="+onnx")
    depends_on("cuda@12.4:", when="+cuda")
    depends_on("cudnn@9.8:", when="+cuda")

    generator("ninja")
    conflicts("%gcc@:10")  # C++20
    conflicts("cuda_arch=none", when="+cuda", msg="say for which GPU: cuda_arch=80, 90, …")

    def cmake_args(self):
        args = [
            self.define("MEC_TESTS", False),
            self.define("MEC_EXAMPLES", False),
            self.define("MEC_BENCH", False),
            self.define("MEC_stb_INCLUDE_DIR", f"{self.stage.source_path}/stb"),
            self.define_from_variant("MEC_CUDA", "cuda"),
        ]
        for name in ("mpi", "onednn", "blas", "zlib", "jpeg", "png", "webp", "tiff", "gif", "onnx"):
            args.append(self.define_from_variant(f"MEC_{name.upper()}", name))
        if self.spec.satisfies("+cuda"):
            args.append(self.define("CMAKE_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return args
