#include "codec/worker_arguments.h"

#include <gtest/gtest.h>

namespace slipway::codec {
namespace {

TEST(WorkerArguments, SurviveTheCommandLine) {
  WorkerArguments in;
  in.control_fd = 4;
  in.crash_page_fd = 5;
  in.max_queue = 7;
  in.plan = {.path = "/models/a b.gguf",
             .sha256 = "ab",
             .model_id = "tiny",
             .task = domain::ModelTask::embedding,
             .context_tokens = 2048,
             .kv_tokens = 8192,
             .parallel = 4,
             .layout = domain::KvLayout::streams,
             .kv_type = domain::KvType::q8_0,
             .threads = 2,
             .processors = {0, 3},
             .device = "CUDA1",
             .batch_tokens = 256,
             .reasons = {}};
  in.strikes = {.alone = {1, 0xffffffffffffffff}, .refuse = {0xabc}};
  const auto out = decode_worker_arguments(encode_worker_arguments(in));
  ASSERT_TRUE(out) << out.error().message();
  EXPECT_EQ(encode_worker_arguments(*out), encode_worker_arguments(in));
  EXPECT_EQ(out->plan.path, "/models/a b.gguf");
  EXPECT_EQ(out->plan.processors, (std::vector<int>{0, 3}));
  EXPECT_EQ(out->plan.device, "CUDA1");
  EXPECT_EQ(out->plan.kv_type, domain::KvType::q8_0);
  EXPECT_EQ(out->strikes.alone, in.strikes.alone);
  EXPECT_EQ(out->strikes.refuse, in.strikes.refuse);
}

TEST(WorkerArguments, ALineThatIsWrongIsRefusedByName) {
  const std::vector<std::vector<std::string>> lines = {
      {"--listen"},
      {"--listen", "fd:3", "--model", "x"},
      {"--model", "x", "--model-id", "y"},
      {"--listen", "fd:3", "--model", "x", "--model-id", "y", "--threads", "two"},
      {"--listen", "fd:3", "--model", "x", "--model-id", "y", "--control", "4"},
      {"--listen", "fd:3", "--model", "x", "--model-id", "y", "--alone", "zz"},
      {"--colour", "red"},
  };
  for (const auto& line : lines) {
    const auto out = decode_worker_arguments(line);
    ASSERT_FALSE(out) << line.back();
    EXPECT_EQ(out.error().code(), base::ErrorCode::usage);
  }
}

TEST(WorkerArguments, StrikesSurviveTheirBody) {
  const auto out = decode_strikes(encode_strikes({.alone = {5}, .refuse = {0xfedcba9876543210, 7}}));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->alone, std::vector<std::uint64_t>{5});
  EXPECT_EQ(out->refuse, (std::vector<std::uint64_t>{0xfedcba9876543210, 7}));
  EXPECT_FALSE(decode_strikes("[]"));
  EXPECT_FALSE(decode_strikes(R"({"alone":[1]})"));
}

}  // namespace
}  // namespace slipway::codec
