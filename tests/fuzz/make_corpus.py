#!/usr/bin/env python3
"""Writes the binary seeds of tests/fuzz/corpus: IDX, NPY, NPZ, PNG and safetensors, a few of each, small and sound.

The texts (csv, recipe) are written by hand, and files named found_* are inputs that once were findings:
neither is touched. Needs Python alone.

  tests/fuzz/make_corpus.py
"""

import gzip
import io
import json
import pathlib
import struct
import zipfile
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def write(reader, name, content):
    path = CORPUS / reader / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def idx(code, dims, content):
    return bytes([0, 0, code, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + content


def npy(descr, shape, content, fortran=False, version=1, dictionary=None):
    dictionary = dictionary or f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    prefix = 10 if version == 1 else 12
    length = -(-(prefix + len(dictionary) + 1) // 64) * 64 - prefix
    header = dictionary.ljust(length - 1) + "\n"
    size = struct.pack("<H" if version == 1 else "<I", length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode() + content


class Pipe(io.BytesIO):
    """Takes what is written and no way back: a zip then has data descriptors behind its entries."""

    def seekable(self):
        return False

    def tell(self):
        raise io.UnsupportedOperation

    def seek(self, *_):
        raise io.UnsupportedOperation


def npz(arrays, method, out=None):
    out = out or io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in arrays.items():
            # A fixed date, so that the script writes the same bytes every time.
            archive.writestr(zipfile.ZipInfo(name + ".npy"), content, method)
    return out.getvalue()


def png(header, rows, chunks=(), interlaced=False):
    width, height, bits, color = header
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, bits, color, 0, 0, interlaced)), *chunks,
              (b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


def safetensors(header, content=b""):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def idx_seeds():
    seeds = {
        "uint8": idx(8, [2, 2, 3], bytes(range(12))),
        "int16": idx(11, [3], struct.pack(">3h", 1, -2, 300)),
        "float32": idx(13, [1, 2], struct.pack(">2f", 0.5, -1.25)),
        "float64": idx(14, [2], struct.pack(">2d", 0.1, 1e300)),
        "no_elements": idx(9, [0, 4294967295], b""),
    }
    for name, content in seeds.items():
        write("idx", name, content)
    write("idx", "packed", gzip.compress(seeds["uint8"], mtime=0))
    write("idx", "padded", seeds["uint8"] + bytes(20))
    write("idx", "packed_padded", gzip.compress(seeds["uint8"] + bytes(20), mtime=0) + bytes(20))
    write("idx", "packed_in_two", gzip.compress(seeds["uint8"][:9], mtime=0) +
          gzip.compress(seeds["uint8"][9:], mtime=0))


def npy_seeds():
    return {
        "float32": npy("<f4", (2, 3), struct.pack("<6f", 0, 1, 2, 3, 4, 5)),
        "float64_nan": npy("<f8", (2,), struct.pack("<2d", float("nan"), 1e300)),
        "half_version_2": npy("<f2", (2, 1), struct.pack("<2e", 1.5, -2), version=2),
        "big_endian_fortran": npy(">i2", (2, 3), struct.pack(">6h", 0, 3, 1, 4, 2, 5), True),
        "int64": npy("<i8", (3,), struct.pack("<3q", 0, 1, 1 << 40)),
        "labels": npy("<i4", (4,), struct.pack("<4i", 0, 1, 1, 0)),
        "images": npy("|u1", (2, 2, 2), bytes(range(8))),
        "flags_version_3": npy("|b1", (2,), b"\0\1", version=3),
        "number": npy("=u4", (), struct.pack("<I", 7)),
        "python_2": npy(None, None, struct.pack("<2f", 1.5, -2),
                        dictionary="{u'descr': u'<f4', 'fortran_order': False, 'shape': (2L, 1L), }"),
        "bfloat16": npy("<V2", (2,), struct.pack("<2H", 0x3fc0, 0xc020)),
        "padded": npy("|u1", (2,), bytes(2 + 9)),
        "labels_ignored": npy("<i8", (4,), struct.pack("<4q", 0, -1, 1, -1)),
        "no_elements": npy("<f4", (0, 4), b""),
        "no_elements_of_much": npy("<f4", (1, 1 << 62, 1 << 62, 0), b""),
    }


def npz_seeds():
    arrays = npy_seeds()
    write("npz", "stored", npz({"x": arrays["float32"]}, zipfile.ZIP_STORED))
    write("npz", "packed", npz({"x": arrays["labels"]}, zipfile.ZIP_DEFLATED))
    write("npz", "two", npz({"y": arrays["number"], "x": arrays["images"]}, zipfile.ZIP_DEFLATED))
    write("npz", "descriptors", npz({"x": arrays["float32"]}, zipfile.ZIP_DEFLATED, Pipe()))
    write("npz", "none", npz({}, zipfile.ZIP_STORED))
    write("npz", "array", arrays["big_endian_fortran"])


def png_seeds():
    palette = (b"PLTE", bytes([9, 9, 9, 200, 200, 200, 0, 0, 255]))
    gamma = (b"gAMA", struct.pack(">I", 100000))
    seeds = {
        "gray": png((3, 2, 8, 0), [[0, 100, 255], [1, 2, 3]]),
        "bits": png((11, 1, 1, 0), [[0b10100000, 0b01000000]]),
        "sixteen": png((2, 1, 16, 0), [[64, 64, 128, 128]], [(b"tRNS", struct.pack(">H", 0x4040))]),
        "color_sixteen_clear": png((1, 1, 16, 6), [[255, 255, 0, 0, 1, 2, 128, 128]]),
        "sixteen_linear": png((2, 1, 16, 0), [[255, 255, 0, 1]], [gamma]),
        "color_clear": png((2, 1, 8, 2), [[80, 80, 80, 0, 9, 0]], [(b"tRNS", struct.pack(">3H", 80, 80, 80))]),
        "palette": png((3, 1, 2, 3), [[0b01001000]], [palette, (b"tRNS", bytes([0, 128]))]),
        "gray_alpha": png((2, 1, 8, 4), [[60, 0, 60, 255]]),
        # Three passes of a 2 x 2 image have pixels: the first, the sixth and the seventh.
        "color_alpha_interlaced": png((2, 2, 8, 6), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 16]],
                                      interlaced=True),
        # What the target puts into a file: a header, and rows with a filter's number each.
        "pixels": struct.pack(">2I5B", 3, 2, 8, 0, 0, 0, 0) + bytes([1, 7, 8, 9, 2, 1, 2, 3]),
    }
    for name, content in seeds.items():
        write("png", name, content)


def safetensors_seeds():
    write("safetensors", "empty", safetensors({}))
    write("safetensors", "model", safetensors({
        "__metadata__": {"format": "pt", "recipe": "[data]\n"},
        "weight": tensor("F32", [2, 3], 0, 24),
        "bias": tensor("BF16", [2], 24, 28),
    }, bytes(range(28))))
    write("safetensors", "kinds", safetensors({
        "scalar": tensor("I64", [], 0, 8),
        "none": tensor("U8", [0, 3], 8, 8),
        "flags": tensor("BOOL", [2], 8, 10),
        "\u00fc \"quoted\"": tensor("F8_E4M3", [1], 10, 11),
    }, bytes(range(11))))


def main():
    idx_seeds()
    for name, content in npy_seeds().items():
        write("npy", name, content)
    npz_seeds()
    png_seeds()
    safetensors_seeds()


main()
