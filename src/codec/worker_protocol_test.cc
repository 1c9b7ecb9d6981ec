#include "codec/worker_protocol.h"

#include <gtest/gtest.h>

namespace slipway::codec {
namespace {

TEST(WorkerProtocol, EveryMessageSurvivesARoundTrip) {
  const domain::WorkerMessage messages[] = {
      domain::WorkerProgress{"weights", 10, 100, "bytes"},
      domain::WorkerReady{{.fingerprint = "f", .parallel = 4, .device = "CUDA0 (x)"}},
      domain::WorkerBeat{1, 2, 3, 4, 5}, domain::WorkerFailed{"E4005", "no", "do"}, domain::WorkerDrained{}};
  for (const auto& message : messages) {
    const std::string line = encode_worker_message(message);
    ASSERT_EQ(line.back(), '\n');
    const auto back = decode_worker_message(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(back) << back.error().to_string();
    EXPECT_EQ(encode_worker_message(*back), line);
  }
}

TEST(WorkerProtocol, GpusSurviveARoundTripAndAnythingElseIsRefused) {
  const domain::Gpu gpus[] = {{"CUDA0", "NVIDIA \"H\" 100", 80, 79}, {"CUDA1", "", 24, 0}};
  const auto back = decode_gpus(encode_gpus(gpus));
  ASSERT_TRUE(back) << back.error().to_string();
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ(encode_gpus(*back), encode_gpus(gpus));
  EXPECT_TRUE(decode_gpus("{\"gpus\":[]}")->empty());
  for (const char* text : {"", "{", "[]", "{\"gpus\":3}", "{\"gpus\":[{}]}", "{\"gpus\":[{\"name\":1}]}"})
    EXPECT_FALSE(decode_gpus(text)) << text;
}

TEST(WorkerProtocol, GarbageIsAnErrorNotACrash) {
  for (const char* line :
       {"", "{", "[]", "{\"type\":7}", "{\"type\":\"ready\"}", "{\"type\":\"ready\",\"facts\":3}"})
    EXPECT_FALSE(decode_worker_message(line)) << line;
}

}  // namespace
}  // namespace slipway::codec
