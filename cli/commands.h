// The subcommands. Each function adds one, with its options, and sets the callback that runs it.
#pragma once

#include "mec/cli/arguments.h"

namespace mec::cli {

void add_pretrain(Command program);
void add_eval(Command program);
void add_embed(Command program);
void add_loss(Command program);
void add_method_losses(Command loss);
void add_coding(Command program);
void add_bench(Command program);
void add_bench_loss(Command bench);
void add_bench_ops(Command bench);
void add_tsne(Command program);
void add_study(Command program);
void add_study_epsilon(Command study);
void add_study_order(Command study);
void add_study_methods(Command study);
void add_study_noise(Command study);
void add_export(Command program);
void add_import(Command program);
void add_info(Command program);
void add_neighbours(Command program);
void add_report(Command program);
void add_finetune(Command program);
void add_predict(Command program);

}  // namespace mec::cli
