// gzip("text"): packed bytes for tests; the library itself only unpacks.
#pragma once

#include <zlib.h>

#include <span>
#include <stdexcept>
#include <string_view>

#include "core/base/files.h"

namespace adjoint::test {

inline Bytes gzip(std::span<const std::byte> content) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  Bytes out(deflateBound(&stream, content.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate");
  return out;
}

inline Bytes gzip(std::string_view text) { return gzip(as_bytes(text)); }

}  // namespace adjoint::test
