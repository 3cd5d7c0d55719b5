// Completion as shells do it: bash runs the script it is given, and what is offered is held against
// the help texts.
#include <algorithm>
#include <regex>
#include <sstream>
#include <vector>

#include "tools/program.h"

namespace adjoint {
namespace {

using test::adjoint_with;
using test::expect_fails;
using test::Outcome;
using test::ScratchFolder;
using test::shell;

/// What bash offers for the last of the words, which stand behind `adjoint`.
std::vector<std::string> offered(const std::string& words, const std::string& folder = "/") {
  const Outcome outcome =
      shell("cd " + folder + " && bash -c 'source <($ADJOINT completion bash); " +
            "COMP_WORDS=(adjoint " + words +
            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _adjoint; "
            "printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  EXPECT_EQ(outcome.code, 0) << words << "\n" << outcome.text;
  std::vector<std::string> lines;
  std::istringstream text(outcome.text);
  for (std::string line; std::getline(text, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

bool offers(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}

using Words = std::vector<std::string>;

TEST(Completion, OffersCommandsRecipesLayersAndFiles) {
  EXPECT_EQ(offered("tra"), Words{"train"});
  EXPECT_TRUE(offers(offered("\"\""), "predict"));
  EXPECT_EQ(offered("train mnist_m"), Words{"mnist_mlp"});
  EXPECT_EQ(offered("bench layer_n"), Words{"layer_norm"});
  EXPECT_TRUE(offered("train layer_n").empty());
  EXPECT_EQ(offered("train digits --fast"), Words{"--fast-dev-run"});
  EXPECT_EQ(offered("train digits --device h"), Words{"host"});
  EXPECT_EQ(offered("completion f"), Words{"fish"});
  EXPECT_TRUE(offered("train digits --seed 1").empty()) << "any number";
  EXPECT_TRUE(offered("train digits mn").empty()) << "one recipe is enough";
  EXPECT_TRUE(offered("nonsense x").empty());

  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch / "runs");
  for (const char* name : {"a picture.png", "apples.csv"})
    write_file_atomically(scratch / name, std::string_view("x"));
  const std::string folder = scratch.path().string();
  EXPECT_EQ(offered("eval \"\"", folder), Words{"runs"}) << "folders alone";
  EXPECT_EQ(offered("predict r", folder), Words{"runs"});
  Words files = offered("predict runs a", folder);
  std::ranges::sort(files);
  EXPECT_EQ(files, (Words{"a picture.png", "apples.csv"}));
  // What stands behind a flag is no file to predict.
  EXPECT_EQ(offered("predict --top 5 r", folder), Words{"runs"});
  EXPECT_EQ(offered("eval runs --json ap", folder), Words{"apples.csv"});
}

TEST(Completion, OffersEveryFlagOfTheHelp) {
  for (const std::string& command : offered("\"\"")) {
    const std::string help = adjoint_with(command + " --help").text;
    const std::vector<std::string> flags = offered(command + " --");
    std::string options = help.substr(0, help.find("Example"));
    const std::regex flag("(^|[ ,])(--[a-z-]+)");
    std::size_t found = 0;
    for (std::sregex_iterator i(options.begin(), options.end(), flag), end; i != end; ++i) {
      const std::string name = (*i)[2];
      // Help on one flag may speak of another.
      EXPECT_TRUE(offers(flags, name)) << command << " " << name;
      ++found;
    }
    EXPECT_GE(found, 1u) << command;
  }
  EXPECT_TRUE(offers(offered("\"\""), "completion"));
}

// Those shells need not be installed; their own parsers judge where they are.
TEST(Completion, OtherShellsGetTheSameWords) {
  for (const std::string name : {"zsh", "fish"}) {
    const Outcome script = adjoint_with("completion " + name);
    EXPECT_EQ(script.code, 0);
    for (const std::string word :
         {"predict", "fast-dev-run", "mnist_mlp", "layer_norm", "auto host cuda"})
      EXPECT_NE(script.text.find(word), std::string::npos) << name << " lacks " << word;
    const Outcome parsed = shell("! command -v " + name + " > /dev/null || $ADJOINT completion " +
                                 name + " | " + name + " -n /dev/stdin");
    EXPECT_EQ(parsed.code, 0) << parsed.text;
  }
  expect_fails(2, "completion tcsh", {"tcsh"});
  expect_fails(2, "completion", {"shell"});
}

}  // namespace
}  // namespace adjoint
