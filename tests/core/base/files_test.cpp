#include "core/base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::FileSizeLimit;
using test::ScratchFolder;

std::string text_of(const fs::path& path) {
  const Bytes bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Files, AtomicWriteCreatesAndReplaces) {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "first");
  EXPECT_EQ(text_of(folder / "a"), "first");
  write_file_atomically(folder / "a", [](FileWriter& writer) {
    writer.write("sec");
    writer.write("");
    writer.write("ond");
  });
  EXPECT_EQ(text_of(folder / "a"), "second");
  write_file_atomically(folder / "a", "");
  EXPECT_EQ(text_of(folder / "a"), "");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, AtomicWriteWorksWithARelativePathAndKeepsPermissions) {
  const ScratchFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_file_atomically("here", "1");
  fs::permissions("here", fs::perms::owner_read | fs::perms::owner_write);
  write_file_atomically("here", "2");
  fs::current_path(before);
  EXPECT_EQ(text_of(folder / "here"), "2");
  EXPECT_EQ(fs::status(folder / "here").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST(Files, AtomicWriteFollowsASymbolicLink) {
  const ScratchFolder folder;
  write_file_atomically(folder / "real", "old");
  fs::create_symlink("real", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(text_of(folder / "real"), "new");
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const ScratchFolder folder;
  write_file_atomically(folder / "model", "old");
  EXPECT_THROW(write_file_atomically(folder / "model",
                                     [](FileWriter& writer) {
                                       writer.write("half of the new");
                                       throw std::runtime_error("stopped");
                                     }),
               std::runtime_error);
  EXPECT_EQ(text_of(folder / "model"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, AFullDiskLeavesTheOldFileAndSaysSo) {
  const ScratchFolder folder;
  write_file_atomically(folder / "model", "old");
  const std::string large(1 << 16, 'x');
  {
    const FileSizeLimit limit(4096);
    expect_error(
        [&] { write_file_atomically(folder / "model", large); },
        {"cannot write", (folder / "model").string(), "File too large", "free some space"});
  }
  EXPECT_EQ(text_of(folder / "model"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, WritingToAFullDeviceSaysSo) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  FileWriter writer("/dev/full", FileWriter::Mode::existing);
  expect_error([&] { writer.write("x"); },
               {"'/dev/full'", "No space left on device", "free some space"});
}

TEST(Files, FoldersDevicesAndMissingFoldersAreRefused) {
  const ScratchFolder folder;
  fs::create_directory(folder / "sub");
  expect_error([&] { write_file_atomically(folder / "sub", "x"); }, {"not a regular file"});
  expect_error([&] { write_file_atomically(folder / "none/x", "x"); },
               {"none/x", "No such file", "folder must exist"});
  expect_error([&] { write_file_atomically("", "x"); }, {"names no file"});
  expect_error([&] { write_file_atomically(folder.path().string() + "/", "x"); }, {"no file"});
  if (fs::exists("/dev/null")) {
    expect_error([&] { write_file_atomically("/dev/null", "x"); }, {"not a regular file"});
  }
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Files, AnUnwritableFolderSaysSo) {
  if (::geteuid() == 0) {
    // Root may write anywhere, except where the kernel itself refuses.
    if (!fs::exists("/proc/self/fd")) GTEST_SKIP() << "runs as root, without /proc";
    expect_error([] { write_file_atomically("/proc/self/fd/model", "x"); },
                 {"cannot write '/proc/self/fd/model'"});
    return;
  }
  const ScratchFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  expect_error([&] { write_file_atomically(folder / "model", "x"); },
               {"Permission denied", "check the permissions"});
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(Files, AppendKeepsWhatIsThere) {
  const ScratchFolder folder;
  for (const char* line : {"a\n", "b\n"}) {
    FileWriter writer(folder / "log", FileWriter::Mode::append);
    writer.write(line);
    writer.sync();
    writer.close();
  }
  EXPECT_EQ(text_of(folder / "log"), "a\nb\n");
  expect_error([&] { FileWriter(folder / "log", FileWriter::Mode::create); }, {"File exists"});
}

TEST(Files, ReadingWhatCannotBeReadSaysWhy) {
  const ScratchFolder folder;
  expect_error([&] { read_file(folder / "none"); }, {"none'", "No such file", "check the path"});
  expect_error([&] { read_file(folder.path()); }, {"is a folder"});
}

TEST(Files, ReadsFilesWithoutASize) {
  if (!fs::exists("/proc/self/cmdline")) GTEST_SKIP() << "this system has no /proc";
  EXPECT_FALSE(read_file("/proc/self/cmdline").empty());
}

}  // namespace
}  // namespace adjoint
