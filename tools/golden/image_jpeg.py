"""JPEG files as cameras, phones and programs write them."""

import struct

from PIL import Image

from .image_common import exif, noise, smooth
from .image_common import saved as saved_as

SIZE = (18, 9)


def saved(image, kind, **options):
    return saved_as(image, kind, optimize=True, **options)


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def without(data, marker):
    """The file without its segment of this marker."""
    at = data.index(bytes([0xFF, marker]))
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def frame_at(data):
    return max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))


def patched(data, offset, value):
    """The frame with another byte: 4 is the precision, 5, 6 the height, 9 how many components."""
    at = frame_at(data) + offset
    return data[:at] + bytes([value]) + data[at + 1 :]


def after_scan_header(data):
    at = data.index(b"\xff\xda")
    return at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]


def make(random):
    picture = smooth(random, *SIZE)
    gray = Image.fromarray(picture).convert("L")
    yield "jpeg/gray", saved(gray, "JPEG", quality=85)
    yield "jpeg/gray_progressive", saved(gray, "JPEG", progressive=True)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
        name = subsampling.replace(":", "")
        yield f"jpeg/{name}", saved(picture, "JPEG", subsampling=subsampling, quality=90)
        yield f"jpeg/{name}_progressive", saved(
            picture, "JPEG", subsampling=subsampling, progressive=True
        )
    yield "jpeg/420_larger", saved(smooth(random, 37, 35), "JPEG", subsampling="4:2:0")
    yield "jpeg/rgb", saved(picture, "JPEG", keep_rgb=True)
    yield "jpeg/coarse", saved(noise(random, 3, width=18, height=9), "JPEG", quality=5)
    restarts = saved(picture, "JPEG", restart_marker_blocks=1)
    yield "jpeg/restarts", restarts
    progressive = saved(picture, "JPEG", restart_marker_blocks=2, progressive=True)
    yield "jpeg/restarts_progressive", progressive
    at = progressive.rindex(b"\xff\xd0")
    yield "jpeg/restart_missing_progressive", progressive[:at] + progressive[at + 2 :]
    inks = saved(Image.fromarray(noise(random, 4, width=18, height=9), "CMYK"), "JPEG", quality=60)
    yield "jpeg/cmyk", inks
    yield "jpeg/cmyk_without_adobe", without(inks, 0xEE)
    at = inks.index(b"Adobe") + 11
    yield "jpeg/ycck", inks[:at] + b"\2" + inks[at + 1 :]
    plain = saved(picture, "JPEG", quality=80)
    for orientation in range(1, 9):
        yield f"jpeg/exif_{orientation}", saved(
            picture[:5, :9], "JPEG", exif=b"Exif\0\0" + exif(orientation), quality=40
        )
    thumbnail = segment(0xE1, b"Exif\0\0" + exif(6) + saved(gray.resize((8, 8)), "JPEG"))
    yield "jpeg/thumbnail", plain[:2] + thumbnail + plain[2:]
    yield "jpeg/several_pictures", saved(
        picture, "MPO", save_all=True, append_images=[Image.fromarray(255 - picture)]
    )
    yield from make_unusual(plain, restarts)
    yield from make_refused(plain, saved(picture, "JPEG", progressive=True))


def make_unusual(plain, restarts):
    """Files against the letter of the standard that libjpeg, and so Pillow, reads."""
    body, scan = plain[:-2], after_scan_header(plain)
    yield "jpeg/stray_ff00", body + b"\xff\0\xff\0\xff\0" + plain[-2:]
    yield "jpeg/stray_ff01", body + b"\xff\1\xff\1" + plain[-2:]
    yield "jpeg/stray_zeros", body + b"\0" * 11 + plain[-2:]
    yield "jpeg/stray_restart", body + b"\xff\xd0\xff\xd1" + plain[-2:]
    yield "jpeg/fill_bytes", plain[:2] + b"\xff\xff\xff" + plain[2:-2] + b"\xff\xff" + plain[-2:]
    yield "jpeg/stray_in_header", plain[:2] + segment(0xE0, b"x") + b"\0\1\2" + plain[2:]
    at = restarts.index(b"\xff\xd0", after_scan_header(restarts))
    yield "jpeg/stray_before_restart", restarts[:at] + b"\1\2\3" + restarts[at:]
    yield "jpeg/restart_missing", restarts[:at] + restarts[at + 2 :]
    yield "jpeg/trailing_bytes", plain + b"\xff\xd8 and more" * 3
    yield "jpeg/no_end_but_trailer", body + b"SEFH\0\1\2\3 SEFT and what phones add" * 2
    yield "jpeg/scan_cut_short", plain[: scan + (len(plain) - scan) // 2] + plain[-2:]
    middle = scan + (len(plain) - scan) // 3
    yield "jpeg/scan_damaged", plain[:middle] + bytes(
        b ^ 0x15 for b in plain[middle : middle + 4]
    ).replace(b"\xff", b"\xfe") + plain[middle + 4 :]


def make_refused(plain, progressive):
    yield "jpeg/refused_half", plain[: after_scan_header(plain) + 40]
    yield "jpeg/refused_no_end", plain[:-2]
    yield "jpeg/refused_no_scan", plain[: plain.index(b"\xff\xda")]
    yield "jpeg/refused_progressive_half", progressive[: len(progressive) * 2 // 3]
    yield "jpeg/refused_height_0", patched(patched(plain, 5, 0), 6, 0)
    yield "jpeg/refused_12_bits", patched(plain, 4, 12)
    yield "jpeg/refused_2_components", patched(plain, 9, 2)
    yield "jpeg/refused_lossless", plain[: frame_at(plain) + 1] + b"\xc3" + plain[
        frame_at(plain) + 2 :
    ]
