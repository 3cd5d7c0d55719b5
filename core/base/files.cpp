#include "core/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/base/error.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

/// What a user can do about the reasons that come up in practice.
std::string_view advice(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; free some space or choose another folder";
    case EACCES:
    case EPERM:
      return "; check the permissions of the file and its folder or choose another folder";
    case EROFS:
      return "; the file system is read-only, choose another folder";
    case ENOENT:
    case ENOTDIR:
      return "; check the path, its folder must exist";
    case EMFILE:
    case ENFILE:
      return "; too many files are open, raise the limit (ulimit -n)";
    default:
      return "";
  }
}

[[noreturn]] void fail(std::string_view doing, const fs::path& path, int reason) {
  ADJOINT_FAIL("cannot ", doing, " '", path.string(),
               "': ", std::generic_category().message(reason), advice(reason));
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

void sync_folder(const fs::path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) fail("open folder", folder, errno);
  // Some network file systems cannot sync a folder and say so with EINVAL; there is nothing to
  // gain.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) fail("sync folder", folder, errno);
}

/// Removes the file again unless it was released.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  fs::path path_;
};

/// A name beside `target` that no other process or thread uses.
fs::path name_aside(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  return target.parent_path() /
         str(".", target.filename().string(), ".", ::getpid(), "-", counter.fetch_add(1), ".tmp");
}

/// Where `path` leads: itself, or the target of a symbolic link. Fails for folders, devices and
/// pipes.
fs::path writable_target(const fs::path& path) {
  ADJOINT_CHECK(path.has_filename(), "cannot write '", path.string(), "': it names no file");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  ADJOINT_CHECK(!fs::exists(status) || fs::is_regular_file(status), "cannot write '", path.string(),
                "': it exists and is not a regular file; choose another name");
  const fs::path absolute = fs::absolute(path);
  return fs::is_symlink(path, error) ? fs::weakly_canonical(absolute) : absolute;
}

}  // namespace

bool is_padding(std::span<const std::byte> rest) {
  return rest.size() <= kMostPadding &&
         std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; });
}

Bytes read_file(const fs::path& path) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) fail("open", path, errno);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail("read", path, errno);
  ADJOINT_CHECK(!S_ISDIR(status.st_mode), "cannot read '", path.string(),
                "': it is a folder; expected a file");
  // The size is only a first guess: pipes have none, and files grow.
  Bytes bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1);
  std::size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t got = ::read(descriptor.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

FileWriter::FileWriter(const fs::path& path, Mode mode, const fs::path& shown)
    : shown_(shown.empty() ? path : shown) {
  int flags = O_WRONLY | O_CLOEXEC;
  if (mode == Mode::create) flags |= O_CREAT | O_EXCL;
  if (mode == Mode::append) flags |= O_CREAT | O_APPEND;
  descriptor_ = ::open(path.c_str(), flags, 0666);
  if (descriptor_ < 0) fail("write", shown_, errno);
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Linux writes at most 2 GiB in one call.
    const std::size_t chunk = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
    const ssize_t written = ::write(descriptor_, bytes.data(), chunk);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", shown_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void FileWriter::sync() {
  // Pipes and devices have nothing to sync.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail("sync", shown_, errno);
}

void FileWriter::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0 && errno != EINTR) fail("close", shown_, errno);
}

void write_file_atomically(const fs::path& path,
                           const std::function<void(FileWriter&)>& write_content) {
  const fs::path target = writable_target(path);
  Temporary temporary(name_aside(target));
  {
    FileWriter writer(temporary.path(), FileWriter::Mode::create, path);
    write_content(writer);
    writer.sync();
    writer.close();
  }
  struct stat old {};
  if (::stat(target.c_str(), &old) == 0 &&
      ::chmod(temporary.path().c_str(), old.st_mode & 0777) != 0) {
    fail("set the permissions of", temporary.path(), errno);
  }
  if (::rename(temporary.path().c_str(), target.c_str()) != 0) fail("write", target, errno);
  temporary.release();
  sync_folder(target.parent_path());
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  write_file_atomically(path, [&](FileWriter& writer) { writer.write(bytes); });
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, as_bytes(text));
}

}  // namespace adjoint
