// Text as bytes. Recipes, JSON and the headers of model files must be UTF-8 (RFC 3629), texts of
// other people's files often are not: whether they are, how they are shown, and how they become it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace adjoint {

/// Bytes of the longest beginning of `text` that is UTF-8: all of them, or where the first byte
/// that is none stands. Overlong forms, surrogates and numbers beyond U+10FFFF are none.
std::size_t utf8_prefix(std::string_view text);
inline bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

/// Text of a file for a message: at most `most` bytes and "..." where there are more, ? for
/// whatever could disturb a terminal, which are control characters and bytes that are no UTF-8.
std::string printable(std::string_view text, std::size_t most = 60);

/// How many lines end in the text: by \n, \r or \r\n, which is one.
std::int64_t line_ends(std::string_view text);

/// Whether iconv of this machine reads an encoding of that name: utf-8, cp1252, latin1, utf-16,
/// shift_jis and some hundred more. Case, '_' and '-' make no difference, and Python's names do.
bool is_encoding(std::string_view name);

/// `text` in UTF-8. Throws Error, naming `file` and the line, for bytes that are no text in that
/// encoding, and for an encoding that is none. A byte order mark at its beginning is left out.
std::string to_utf8(std::span<const std::byte> text, std::string_view encoding,
                    std::string_view file);

}  // namespace adjoint
