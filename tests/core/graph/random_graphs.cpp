// The program: random graphs until the time is over. Exit code 1 where one shows a fault.
//
//   build/host/bin/random_graphs_host --seconds 3600 --from 100000
#include <chrono>
#include <iostream>

#include <CLI/CLI.hpp>

#include "core/graph/random_graph.h"

int main(int argc, char** argv) {
  CLI::App app("Random graphs: rewrites, aliases and shared layers change no number and no name");
  double seconds = 60;
  std::uint64_t seed = 1000000;
  bool all = false;
  app.add_option("--seconds", seconds, "How long")->capture_default_str();
  app.add_option("--from", seed, "The first seed")->capture_default_str();
  app.add_flag("--all", all, "Go on after a fault");
  CLI11_PARSE(app, argc, argv);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t graphs = 0, refused = 0, rewrites = 0, faults = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    const adjoint::RandomGraphReport report = adjoint::check_random_graph(seed);
    ++graphs;
    refused += report.refused ? 1 : 0;
    rewrites += std::uint64_t(report.rewrites);
    if (!report.fault.empty()) {
      ++faults;
      std::cout << "seed " << seed << ": " << report.fault << "\n"
                << report.description << std::endl;
      if (!all) break;
    }
    ++seed;
  }
  std::cout << graphs << " graphs, " << refused << " refused, " << rewrites << " rewrites, "
            << faults << " with a fault\n";
  return faults == 0 ? 0 : 1;
}
