// Files as the house reads and writes them. What a run leaves behind is written aside in the same
// folder, synced and renamed, and the folder synced: a full disk, a crash or Ctrl-C leaves the old
// file or the new one, never half of one. Every error names the path, the system's reason and what
// to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace adjoint {

using Bytes = std::vector<std::byte>;

/// The bytes of `text`, not copied.
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The whole file. Throws Error where it is missing, unreadable or not a file.
Bytes read_file(const std::filesystem::path& path);

/// An open file that is written front to back. Closes on destruction without reporting; call
/// close() to know that everything arrived.
class FileWriter {
 public:
  /// create fails where the file exists; append makes it where it is missing; existing fails there.
  enum class Mode { create, append, existing };

  /// `shown` is the path that errors name; empty: `path`.
  FileWriter(const std::filesystem::path& path, Mode mode, const std::filesystem::path& shown = {});
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Writes all of `bytes`, however many calls of the system that takes, or throws Error.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(as_bytes(text)); }

  /// Returns once the bytes are on the disk.
  void sync();
  void close();

 private:
  std::filesystem::path shown_;
  int descriptor_ = -1;
};

/// Writes the file at `path` all or not at all: `write_content` is called once with a writer for a
/// temporary file in the same folder, which then takes the place of `path`. If anything fails, also
/// an exception of `write_content`, the temporary is removed and an existing file is left as it
/// was. A symbolic link is followed; something that is not a regular file is refused. Permissions
/// of an existing file are kept.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(FileWriter&)>& write_content);
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Whether `bytes` begin like a gzip file (RFC 1952).
bool is_gzip(std::span<const std::byte> bytes);

/// Files may be longer than what they hold by so many zero bytes: tapes, block devices and
/// downloads in pieces pad. Anything else behind the end speaks of a damaged file.
inline constexpr std::size_t kMostPadding = std::size_t{1} << 20;
/// Whether `rest`, behind the end, is nothing but that.
bool is_padding(std::span<const std::byte> rest);

/// The first `count` bytes that `compressed` unpacks to, fewer where it holds fewer. `name` stands
/// in error messages. Nothing behind them is looked at.
Bytes gunzip_prefix(std::span<const std::byte> compressed, std::size_t count,
                    std::string_view name);

/// Unpacks a gzip file of one or more members, with zeros between or behind them or without,
/// checking lengths and checksums. Throws Error for truncated or corrupt data, for other bytes
/// behind a member, and as soon as more than `limit` bytes come out, so that a small file cannot
/// fill the memory; padding behind these is left out.
Bytes gunzip(std::span<const std::byte> compressed, std::uint64_t limit, std::string_view name);

}  // namespace adjoint
