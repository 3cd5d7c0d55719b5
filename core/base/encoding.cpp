#include "core/base/encoding.h"

#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "core/base/error.h"

namespace adjoint {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

unsigned char byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// Bytes of the character at `at`; 0 where there is none (RFC 3629, section 4).
std::size_t character_at(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at), second = byte_at(text, at + 1);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  // The second byte keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (first < 0xc2 || first > 0xf4 || second < least || second > most) return 0;
  for (std::size_t i = 2; i < size; ++i)
    if ((byte_at(text, at + i) & 0xc0) != 0x80) return 0;
  return size;
}

/// As iconv spells what Python calls otherwise.
std::string iconv_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c == '_' ? '-' : c;
  if (out == "utf-8-sig") return "utf-8";
  if (out.starts_with("latin-")) out.erase(5, 1);
  if (out.starts_with("utf-16-") || out.starts_with("utf-32-")) out.erase(6, 1);
  if (out == "mac-roman") return "macintosh";
  return out;
}

class Converter {
 public:
  explicit Converter(std::string_view from) {
    // Behind a slash iconv takes wishes.
    if (!from.empty() && from.find('/') == std::string_view::npos)
      handle_ = iconv_open("UTF-8", iconv_name(from).c_str());
  }
  ~Converter() {
    if (known()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // iconv_open returns (iconv_t)-1 where it fails.
  bool known() const { return handle_ != kNone; }

  /// Moves both fronts on as far as room and text go; 0, or why it went no further.
  int convert(char*& from, std::size_t& left, char*& to, std::size_t& room) {
    return iconv(handle_, &from, &left, &to, &room) == std::size_t(-1) ? errno : 0;
  }

 private:
  static inline const iconv_t kNone = reinterpret_cast<iconv_t>(-1);
  iconv_t handle_ = kNone;
};

}  // namespace

std::size_t utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t size = character_at(text, at);
    if (size == 0) break;
    at += size;
  }
  return at;
}

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t size = character_at(text, at);
    if (at + std::max<std::size_t>(size, 1) > most) return out + "...";
    const bool control = size == 1 && (byte_at(text, at) < 0x20 || text[at] == 0x7f);
    out += size == 0 || control ? std::string_view("?") : text.substr(at, size);
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

std::int64_t line_ends(std::string_view text) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    count += text[at] == '\r' || (text[at] == '\n' && (at == 0 || text[at - 1] != '\r'));
  return count;
}

bool is_encoding(std::string_view name) { return Converter(name).known(); }

std::string to_utf8(std::span<const std::byte> text, std::string_view encoding,
                    std::string_view file) {
  Converter converter(encoding);
  ADJOINT_CHECK(converter.known(), file, ": the encoding '", printable(encoding),
                "' is not known here; expected one of iconv's, such as utf-8, cp1252 or utf-16");
  // iconv takes its input as non-const but does not write to it.
  char* from = const_cast<char*>(reinterpret_cast<const char*>(text.data()));
  std::size_t left = text.size();
  std::string out;
  std::vector<char> piece(std::size_t{1} << 16);
  while (left > 0) {
    char* to = piece.data();
    std::size_t room = piece.size();
    const int reason = converter.convert(from, left, to, room);
    out.append(piece.data(), piece.size() - room);
    ADJOINT_CHECK(reason == 0 || reason == E2BIG, file, ": line ", 1 + line_ends(out), ": byte ",
                  text.size() - left + 1, " of the file ",
                  reason == EINVAL ? "begins half a" : "is no", " character of '",
                  printable(encoding), "'; name another encoding, or save the file as UTF-8");
  }
  if (out.starts_with(kByteOrderMark)) out.erase(0, kByteOrderMark.size());
  return out;
}

}  // namespace adjoint
