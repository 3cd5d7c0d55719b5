// NumPy's array files (numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic
// string, a version, a Python dictionary that says type, order and shape, then the elements. And
// NPZ, a zip of such files. Read as core/data/readers/idx.h reads: what a header claims is checked
// against the file before memory is taken.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"

namespace adjoint {

/// bfloat: bfloat16.
enum class NpyKind : std::uint8_t { boolean, signed_integer, unsigned_integer, floating, bfloat };

struct NpyArray {
  NpyKind kind = NpyKind::floating;
  /// Bytes of one element: 1 to 8.
  std::size_t size = 0;
  /// None for a single number; a dimension may be zero.
  std::vector<std::int64_t> dims = {};
  /// The elements in the byte order of this machine, the last dimension running fastest, whatever
  /// the order in the file.
  Bytes bytes = {};

  std::int64_t count() const;
  /// "int32 [60000, 784]", for messages.
  std::string describe() const;
};

/// Reads a whole file: versions 1 to 3, as Python 3 or 2 writes them, types b1, i1 to i8, u1 to u8,
/// f2 to f8, either byte order, bfloat16 as ml_dtypes writes it ('<V2'), C and Fortran order.
/// Throws Error, naming the file, for anything else (structured types, text, pickled objects), and
/// for files that are truncated, longer by more than padding (core/base/files.h) or claim more than
/// can be.
NpyArray read_npy(const std::filesystem::path& path);
/// The same from memory; `name` stands in error messages.
NpyArray parse_npy(std::span<const std::byte> file, std::string_view name);

/// One array of an NPZ file: `array` is its name there, without .npy. Throws Error where there is
/// no such array (naming the nearest), the zip is broken or encrypted, and for what parse_npy
/// refuses; what unpacks to more or less than its header announces is not unpacked.
NpyArray parse_npz(std::span<const std::byte> file, std::string_view name,
                   const std::string& array);

/// An array by reference: "FILE.npy", or "FILE.npz:ARRAY"; relative to `folder`.
NpyArray read_array(const std::filesystem::path& folder, const std::string& reference);

/// Whether the reference is to an archive: "FILE.npz:ARRAY", or "FILE.npz" without the array.
bool names_archive(const std::string& reference);

/// The reference of another array of the same archive: "test.npz:x", "meta" -> "test.npz:meta".
/// Throws Error where the first is of no archive.
std::string array_beside(const std::string& reference, const std::string& array);

/// The elements as float32, rounded to nearest. Throws Error for the first that is not finite or
/// beyond float32, naming row (index of the first dimension) and column; not for NaN if that is
/// allowed. What float32 leaves of them (core/samples/remainder.h) goes to `remainders`, unless
/// null.
std::vector<float> to_floats(const NpyArray& array, std::string_view name, bool allow_nan = false,
                             std::vector<double>* remainders = nullptr);
/// The elements as they are. Throws Error unless they are whole numbers of 32 bits.
std::vector<std::int32_t> to_integers(const NpyArray& array, std::string_view name);

namespace detail {

/// Bytes of the header and of the whole file that its first bytes announce: for readers that
/// unpack. Throws like parse_npy.
struct NpySize {
  std::size_t header = 0;
  std::uint64_t total = 0;
};
NpySize npy_size(std::span<const std::byte> start, std::string_view name);
/// No header is longer.
inline constexpr std::size_t kLargestNpyHeader = std::size_t{1} << 16;

}  // namespace detail

}  // namespace adjoint
