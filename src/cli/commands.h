// The subcommands. Each adds its options to the program and runs as the callback of its parser.
#pragma once

#include <CLI/CLI.hpp>

namespace mec::cli {

void add_pretrain(CLI::App& program);
void add_eval(CLI::App& program);
void add_embed(CLI::App& program);
void add_loss(CLI::App& program);
void add_method_losses(CLI::App& loss);
void add_coding(CLI::App& program);
void add_bench(CLI::App& program);
void add_bench_loss(CLI::App& bench);
void add_bench_ops(CLI::App& bench);
void add_tsne(CLI::App& program);
void add_study(CLI::App& program);
void add_study_epsilon(CLI::App& study);
void add_study_order(CLI::App& study);
void add_study_methods(CLI::App& study);
void add_study_noise(CLI::App& study);
void add_info(CLI::App& program);

}  // namespace mec::cli
