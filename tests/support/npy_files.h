// NPY and NPZ files for tests, made by hand and by libzip; the library itself only reads.
#pragma once

#include <gtest/gtest.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/files.h"
#include "support/scratch_folder.h"

namespace adjoint::test {

/// A file with this dictionary, padded as NumPy pads it, and these elements.
inline Bytes npy(const std::string& dictionary, const std::string& elements, int version = 1) {
  std::string header = dictionary;
  const std::size_t prefix = version == 1 ? 10 : 12;
  header.resize((prefix + header.size() + 1 + 63) / 64 * 64 - prefix - 1, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  for (std::size_t i = 0; i < prefix - 8; ++i)
    file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  file += header + elements;
  const auto bytes = as_bytes(file);
  return {bytes.begin(), bytes.end()};
}

inline std::string dictionary(const std::string& type, const std::string& shape,
                              const std::string& fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

template <class T>
std::string raw(std::initializer_list<T> values, bool big_endian = false) {
  std::string out;
  for (T value : values) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    if (big_endian) std::reverse(bytes, bytes + sizeof(T));
    out.append(bytes, sizeof(T));
  }
  return out;
}

/// A zip of one entry.
inline Bytes zip_of(const std::string& entry, const Bytes& content, bool packed = true,
                    const char* password = nullptr) {
  const ScratchFolder folder;
  const std::string path = (folder / "a.npz").string();
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE, nullptr);
  zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
  const zip_int64_t index = zip_file_add(zip, entry.c_str(), source, 0);
  const auto at = static_cast<zip_uint64_t>(index);
  zip_set_file_compression(zip, at, packed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 9);
  if (password != nullptr) zip_file_set_encryption(zip, at, ZIP_EM_AES_256, password);
  EXPECT_EQ(zip_close(zip), 0);
  return read_file(path);
}

/// A zip of several arrays, stored as NumPy's savez does; to link with libzip::zip.
inline Bytes npz_of(const std::vector<std::pair<std::string, Bytes>>& arrays) {
  const ScratchFolder folder;
  const std::string path = (folder / "a.npz").string();
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE, nullptr);
  for (const auto& [name, content] : arrays) {
    zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
    EXPECT_GE(zip_file_add(zip, (name + ".npy").c_str(), source, 0), 0);
  }
  EXPECT_EQ(zip_close(zip), 0);
  return read_file(path);
}

/// The elements of an NPY file.
template <class T>
Bytes npy_of(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return npy(dictionary(type, shape),
             std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace adjoint::test
