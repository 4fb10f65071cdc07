#!/usr/bin/env python3
"""Tests of the package mec, beside the program: interface.py PROGRAM [unittest's options]. Status 77 without NumPy.

The library is found as by any user: LD_LIBRARY_PATH and PYTHONPATH say where. Tests with PyTorch are skipped where it is
missing.
"""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import unittest
import warnings
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: there is no NumPy for", sys.executable)
    sys.exit(77)
try:
    import torch
except ImportError:
    torch = None

import mec
import mec.arrays
import mec.library

PROGRAM = sys.argv.pop(1)
ONE = mec.Device(threads=1)
RANDOM = np.random.default_rng(7)
SETTINGS = {"method": "mec", "model": {"arch": "resnet10", "stem": "cifar", "width": 4, "dim": 16, "pred_hidden": 8},
            "mec": {"eps2": 16, "lambda_warmup_epochs": 0}, "train": {"epochs": 2, "batch": 8, "lr": 0.1, "warmup_epochs": 0},
            "data": {"mean": [0.25], "std": [0.5], "kind": "mnist"}, "augment": {"size": 8}}
IMAGES = RANDOM.integers(0, 256, (20, 10, 10, 1), dtype=np.uint8)


def program(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_mnist(folder, images):
    folder.mkdir()
    sizes = b"".join(int(n).to_bytes(4, "big") for n in images.shape[:3])
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + images.tobytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + len(images).to_bytes(4, "big") + bytes(len(images)))


def feed(trainer, until=None):
    while trainer.steps_done < (until or trainer.steps):
        figures = trainer.step(IMAGES[trainer.next()])
    return figures


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)


class Structs(unittest.TestCase):
    def test_they_lie_as_the_record_of_the_abi_says(self):
        record = (Path(__file__).parents[1] / f"capi/abi_{mec.library.ABI}.txt").read_text()
        structs = {"mec_device": "DeviceStruct", "mec_images": "Images", "mec_figures": "Figures", "mec_embeddings": "Embeddings",
                   "mec_encoder_info": "EncoderInfo", "mec_trainer_options": "TrainerOptions", "mec_trainer_info": "TrainerInfo"}
        self.assertEqual(set(re.findall(r"^struct (\w+)", record, re.MULTILINE)), set(structs))
        for name, of_python in structs.items():
            fields = [(field, getattr(getattr(mec.library, of_python), field)) for field, _ in getattr(mec.library, of_python)._fields_]
            recorded = re.findall(rf"^  {name}\.(\w+) at (\d+), (\d+) bytes", record, re.MULTILINE)
            self.assertEqual([(field, str(at.offset), str(at.size)) for field, at in fields], recorded, name)


class Training(Folder):
    def test_a_trainer_has_the_bits_of_mec_pretrain(self):
        write_mnist(self.folder / "data", IMAGES)
        config = self.folder / "config.toml"
        config.write_text("\n".join(["method = 'mec'"] + [f"[{section}]\n" + "\n".join(
            f"{key} = {json.dumps(value)}" for key, value in keys.items()) for section, keys in SETTINGS.items()
            if section != "method"]))
        program("pretrain", config, "--threads", 1, "--set", f"data.path={self.folder / 'data'}", "--out", self.folder / "read")
        with mec.Trainer(SETTINGS, images=20, channels=1, device=ONE) as trainer:
            figures = feed(trainer)
            trainer.save_encoder(self.folder / "encoder.safetensors")
            features = trainer.encoder().embed(IMAGES)
        read = (self.folder / "read/encoder.safetensors").read_bytes()
        self.assertEqual((self.folder / "encoder.safetensors").read_bytes(), read)
        last = json.loads((self.folder / "read/metrics.jsonl").read_text().splitlines()[-1])
        self.assertEqual(figures["loss"], last["loss"])
        self.assertEqual(figures["coding_length"], last["coding_length"])

        np.save(self.folder / "images.npy", IMAGES)
        program("embed", self.folder / "read", "--threads", 1, "--images", self.folder / "images.npy", "--out", self.folder / "f.npy")
        np.testing.assert_array_equal(features, np.load(self.folder / "f.npy"))
        np.testing.assert_array_equal(mec.load(self.folder / "read", ONE).embed(IMAGES), features)

    def test_a_run_goes_on_from_its_checkpoint_and_in_its_folder(self):
        whole = mec.Trainer(SETTINGS, images=20, channels=1, device=ONE)
        feed(whole, 2)
        whole.save_checkpoint(self.folder / "c")
        feed(whole)
        whole.save_encoder(self.folder / "whole")
        feed(resumed := mec.Trainer(SETTINGS, images=20, channels=1, checkpoint=self.folder / "c", device=ONE))
        resumed.save_encoder(self.folder / "resumed")
        first = mec.Trainer(SETTINGS, images=20, channels=1, folder=self.folder / "run", device=ONE)
        feed(first, 3)
        first.finish()
        second = mec.Trainer(SETTINGS, images=20, channels=1, folder=self.folder / "run", resume=True, device=ONE)
        self.assertEqual(second.steps_done, 3)
        feed(second)
        second.finish()
        for other in ("resumed", "run/encoder.safetensors"):
            self.assertEqual((self.folder / other).read_bytes(), (self.folder / "whole").read_bytes())

    def test_views_of_the_callers_own(self):
        views = [RANDOM.standard_normal((8, 8, 8, 1), dtype=np.float32) for _ in range(2)]
        trainer = mec.Trainer(SETTINGS, channels=1, device=ONE)
        self.assertEqual((trainer.batch, trainer.views, trainer.steps_per_epoch), (8, 2, 1))
        self.assertTrue(np.isfinite(trainer.step_views(views)["loss"]))
        with self.assertRaisesRegex(mec.ShapeError, r"view 1 is \(8,8,8,1\)"):
            trainer.step_views([views[0], views[1][:7]])

    def test_settings_are_text_files_or_dictionaries(self):
        (self.folder / "s.toml").write_text("[data]\nmean = [0.5]\nstd = [0.5]\n[train]\nbatch = 4\n[model]\narch = 'resnet10'\nwidth = 4\n")
        for settings in (self.folder / "s.toml", (self.folder / "s.toml").read_text(),
                         {"data": {"mean": [0.5], "std": [0.5]}, "train": {"batch": 4}, "model": {"arch": "resnet10", "width": 4}}):
            self.assertEqual(mec.Trainer(settings, channels=1, images=40).batch, 4)

    def test_notes_are_told(self):
        notes = []
        settings = {**SETTINGS, "train": {**SETTINGS["train"], "health_steps": 1}}
        trainer = mec.Trainer(settings, channels=1, images=20, note=notes.append)
        trainer.step(np.zeros((8, 8, 8, 1), np.uint8))
        self.assertTrue(notes and "embeddings" in notes[0], notes)


class Losses(Folder):
    def setUp(self):
        super().setUp()
        self.p, self.z = RANDOM.standard_normal((2, 6, 5))

    def test_each_method_is_mec_loss(self):
        np.save(self.folder / "p.npy", self.p)
        np.save(self.folder / "z.npy", self.z)
        queue = RANDOM.standard_normal((3, 5))
        np.save(self.folder / "queue.npy", queue)
        for method in ("simsiam", "barlow-twins", "simclr", "moco-v2", "swav", "byol", "vicreg"):
            with self.subTest(method):
                keys = queue if method == "moco-v2" else None
                more = ["--queue", self.folder / "queue.npy"] if method == "moco-v2" else []
                said = json.loads(program("loss", method, "--threads", 1, "--p", self.folder / "p.npy", "--z", self.folder / "z.npy",
                                          "--grad-p", self.folder / "dp.npy", *more))
                loss = mec.loss(method, self.p, self.z, keys, device=ONE)
                self.assertEqual(loss.value, said["loss"])
                np.testing.assert_array_equal(loss.dp, np.load(self.folder / "dp.npy"))
        self.assertNotEqual(mec.loss("simclr", self.p, self.z, temperature=0.5).value, mec.loss("simclr", self.p, self.z).value)

    def test_the_gradients_of_the_coding_length_are_its_differences(self):
        for exact in (False, True):
            coding = mec.coding_length(self.p, self.z, eps2=16, exact=exact)
            for name, gradient in (("p", coding.dp), ("z", coding.dz)):
                pair = {"p": self.p, "z": self.z}
                step = np.zeros_like(self.p)
                step[2, 3] = 1e-5
                ends = [mec.coding_length(**{**pair, name: pair[name] + way * step}, eps2=16, exact=exact, gradients=False).value
                        for way in (1, -1)]
                self.assertAlmostEqual((ends[0] - ends[1]) / 2e-5, gradient[2, 3], delta=1e-7 * abs(coding.value))
        single = mec.coding_length(self.p.astype(np.float32), self.z.astype(np.float32), eps2=16, exact=True)
        self.assertEqual(single.dp.dtype, np.float32)
        np.testing.assert_allclose(single.dp, coding.dp, rtol=1e-3, atol=1e-4)

    def test_a_series_that_does_not_converge_warns(self):
        with self.assertWarnsRegex(RuntimeWarning, "norm .* >= 1; raise eps2 above"):
            coding = mec.coding_length(self.p, self.z, eps2=0.5)
        self.assertGreater(coding.spectral_norm, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            enough = mec.coding_length(self.p, self.z, eps2=0.6 * coding.spectral_norm)
            mec.coding_length(self.p, self.p, eps2=0.5, exact=True)
        self.assertAlmostEqual(enough.spectral_norm, 0.5 / 0.6, places=9)
        self.z[2] = 0
        self.assertRaisesRegex(mec.InputError, "row 2 of z has the length 0", mec.coding_length, self.p, self.z)

    def test_the_value_alone_needs_no_numpy_array(self):
        rows = memoryview(self.p)
        self.assertEqual(mec.coding_length(rows, rows, gradients=False).value, mec.coding_length(self.p, self.p).value)

    @unittest.skipIf(torch is None, "there is no PyTorch")
    def test_pytorch_gets_the_gradients_and_shares_its_memory(self):
        class CodingLength(torch.autograd.Function):
            @staticmethod
            def forward(ctx, p, z):
                coding = mec.coding_length(p.detach(), z.detach(), eps2=16, exact=True)
                ctx.save_for_backward(torch.from_numpy(coding.dp), torch.from_numpy(coding.dz))
                return p.new_tensor(coding.value)

            @staticmethod
            def backward(ctx, dy):
                return tuple(dy * g for g in ctx.saved_tensors)

        p, z = (torch.tensor(x, requires_grad=True) for x in (self.p, self.z))
        CodingLength.apply(p, z).backward()
        P, Z = (torch.tensor(x, requires_grad=True) for x in (self.p, self.z))
        m, d = P.shape
        unit = torch.nn.functional.normalize
        C = d / (m * 16) * unit(P) @ unit(Z).T
        ((m + d) / 2 * torch.logdet(torch.eye(m, dtype=C.dtype) + C)).backward()
        torch.testing.assert_close(p.grad, P.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(z.grad, Z.grad, rtol=1e-9, atol=1e-12)
        shared = torch.zeros(4, 5, dtype=torch.float64)
        self.assertEqual(mec.arrays.as_array(shared, "p", (np.float64,), 2).ctypes.data, shared.data_ptr())


class Misuse(Folder):
    def test_errors_have_classes_and_say_what_to_do(self):
        p = np.ones((2, 3))
        cases = [(mec.FileError, "nowhere", lambda: mec.load(self.folder / "nowhere")),
                 (mec.InputError, "cpu, cuda or reference", lambda: mec.Objective(device=mec.Device("gpu"))),
                 (mec.InputError, "method is one of", lambda: mec.loss("dino", p, p)),
                 (mec.InputError, "mec.epsilon2", lambda: mec.loss("mec", p, p, epsilon2=3)),
                 (mec.ShapeError, r"p is \(2, 3\) and z is \(1, 3\)", lambda: mec.loss("mec", p, p[:1])),
                 (mec.ShapeError, "2 dimensions", lambda: mec.loss("mec", p[0], p[0])),
                 (mec.DtypeError, "float32 or float64, but are int64", lambda: mec.loss("mec", p.astype(int), p)),
                 (mec.DtypeError, "z .* float64, but are float32", lambda: mec.loss("mec", p, p.astype(np.float32))),
                 (mec.NumericalError, "finite", lambda: mec.loss("mec", p * np.nan, p)),
                 (mec.InputError, "data.mean and data.std must be set", lambda: mec.Trainer("[train]\nbatch = 4\n", images=4)),
                 (mec.InputError, "settings: .*lr2", lambda: mec.Trainer({"train": {"lr2": 1}})),
                 (mec.InputError, "None is a NoneType", lambda: mec.loss("mec", p, p, eps2=None)),
                 (mec.InputError, "threads: 4294967297 is no number of 32 bits", lambda: mec.Objective(device=mec.Device(threads=2**32 + 1))),
                 (mec.InputError, "images: .* is no number of 64 bits", lambda: mec.Trainer(SETTINGS, images=2**64 + 8)),
                 (mec.InputError, "source: a text has no NUL", lambda: mec.load("run\0")),
                 (mec.InputError, "settings: a text has no NUL", lambda: mec.Trainer("[train]\n\0")),
                 (mec.DtypeError, "gives no array of the CPU", lambda: mec.loss("mec", "rows", p))]
        for error, why, work in cases:
            with self.subTest(why), self.assertRaisesRegex(error, why):
                work()
        self.assertTrue(issubclass(mec.ShapeError, ValueError) and issubclass(mec.FileError, OSError))

    def test_an_exception_of_note_comes_out_of_the_call(self):
        def note(line):
            raise KeyError(line)
        trainer = mec.Trainer({**SETTINGS, "train": {**SETTINGS["train"], "health_steps": 1}}, channels=1, images=20, note=note)
        with self.assertRaisesRegex(KeyError, "embeddings"):
            for _ in range(2):
                trainer.step(np.zeros((8, 8, 8, 1), np.uint8))

    def test_settings_may_be_of_numpy(self):
        p, z = RANDOM.standard_normal((2, 6, 5))
        expected = mec.loss("mec", p, z, eps2=16, order=3, exact=False).value
        self.assertEqual(mec.loss("mec", p, z, eps2=np.float32(16), order=np.int64(3), exact=np.bool_(False)).value, expected)
        self.assertEqual(mec.loss("mec", p, z, order=3, eps2=np.array(16.0)).value, expected)
        with self.assertRaises(mec.InputError):
            mec.Trainer({**SETTINGS, "data": {"mean": np.array([None]), "std": [0.5]}})
        settings = {**SETTINGS, "data": {"mean": np.array([0.25]), "std": np.array([0.5], np.float32)}}
        self.assertEqual(mec.Trainer(settings, channels=1, images=20).batch, 8)

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork")
    def test_kept_objectives_are_not_those_of_the_parent(self):
        p = RANDOM.standard_normal((6, 5))
        mec.loss("byol", p, p)
        child = os.fork()
        if child == 0:
            os._exit(mec.objective._objective.cache_info().currsize)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_what_was_closed_is_told(self):
        objective = mec.Objective()
        objective.close()
        objective.close()
        with self.assertRaisesRegex(mec.HandleError, "null"):
            objective(np.ones((2, 3)), np.ones((2, 3)))
        trainer = mec.Trainer(SETTINGS, images=20, channels=1, device=ONE)
        encoder = trainer.encoder()
        for handle, work in ((encoder, lambda: encoder.embed(IMAGES)), (trainer, trainer.next), (trainer, trainer.finish)):
            handle.close()
            with self.assertRaisesRegex(mec.HandleError, "null"):
                work()

    def test_a_full_disk_is_told_and_leaves_what_was_there(self):
        trainer = mec.Trainer(SETTINGS, images=20, channels=1, folder=self.folder / "run", device=ONE)
        feed(trainer, 1)
        trainer.save_encoder(self.folder / "encoder")
        before = (self.folder / "encoder").read_bytes()
        feed(trainer, 3)  # no checkpoint is due
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)  # Python has no use for SIGXFSZ
        for work in (lambda: trainer.save_encoder(self.folder / "encoder"), lambda: trainer.save_checkpoint(self.folder / "c"),
                     trainer.finish):
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
            try:
                with self.assertRaisesRegex(mec.FileError, "cannot write"):
                    work()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertEqual((self.folder / "encoder").read_bytes(), before)
        self.assertFalse((self.folder / "c").exists())
        trainer.finish()
        self.assertTrue((self.folder / "run/checkpoint-3.safetensors").exists())

    def test_threads_use_one_objective(self):
        p, z = RANDOM.standard_normal((2, 6, 5))
        expected = mec.loss("mec", p, z).value
        found = []
        threads = [threading.Thread(target=lambda: found.extend(mec.loss("mec", p, z).value for _ in range(20))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [expected] * 40)

    def test_views_with_gaps_are_copied_and_dense_ones_are_not(self):
        array = np.zeros((4, 6))
        self.assertEqual(mec.arrays.as_array(array, "p", (np.float64,), 2).ctypes.data, array.ctypes.data)
        self.assertEqual(mec.arrays.as_array(memoryview(array), "p", (np.float64,), 2).ctypes.data, array.ctypes.data)
        p = RANDOM.standard_normal((6, 10))[:, ::2]
        self.assertEqual(mec.loss("byol", p, p + 1).value, mec.loss("byol", p.copy(), p + 1).value)


if __name__ == "__main__":
    unittest.main(verbosity=2)
