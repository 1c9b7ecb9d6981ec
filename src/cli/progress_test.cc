#include "cli/progress.h"

#include <gtest/gtest.h>

#include "cli/testing.h"

namespace slipway::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ProgressTest : public testing::Test {
 protected:
  Progress::Clock clock() {
    return [this] { return now_; };
  }
  static ProgressEvent bytes(std::uint64_t done) {
    return {
        .phase = "download", .subject = "smollm2-135m", .done = done, .total = 100'000'000, .unit = "bytes"};
  }
  base::MonotonicTime now_{seconds(1000)};
};

TEST_F(ProgressTest, APipeGetsOneLineAPhaseAndOneEveryTenSeconds) {
  MemoryConsole console;
  Progress progress(console, false, clock());
  for (int second = 0; second <= 25; ++second) {
    progress.update(bytes(static_cast<std::uint64_t>(second) * 2'000'000));
    now_ += seconds(1);
  }
  progress.update({.phase = "weights", .subject = "smollm2-135m", .done = 1, .total = 30, .unit = "layers"});
  EXPECT_EQ(console.err_text(),
            "downloading smollm2-135m   0 % 0 B of 100.0 MB\n"
            "downloading smollm2-135m  20 % 20.0 MB of 100.0 MB, 2.0 MB/s, 40.0 s left\n"
            "downloading smollm2-135m  40 % 40.0 MB of 100.0 MB, 2.0 MB/s, 30.0 s left\n"
            "loading weights of smollm2-135m   3 % 1 of 30 layers\n");
}

TEST_F(ProgressTest, ATerminalGetsOneLineThatRedrawsItself) {
  MemoryConsole console(terminal(60));
  Progress progress(console, false, clock());
  progress.update(bytes(0));
  now_ += milliseconds(20);
  progress.update(bytes(1));  // too soon to redraw
  now_ += seconds(1);
  progress.update(bytes(50'000'000));
  progress.finish();
  EXPECT_EQ(console.err_text(),
            "\r\x1b[Kdownloading smollm2-135m [....................]   0 % 0 ..."
            "\r\x1b[Kdownloading smollm2-135m [##########..........]  50 % 50..."
            "\r\x1b[K");
}

TEST_F(ProgressTest, AResumedDownloadsRateLeavesOutWhatWasThere) {
  MemoryConsole console;
  Progress progress(console, false, clock());
  progress.update(bytes(80'000'000));
  now_ += seconds(10);
  progress.update(bytes(90'000'000));
  EXPECT_NE(console.err_text().find("1.0 MB/s, 10.0 s left"), std::string::npos) << console.err_text();
}

TEST_F(ProgressTest, QuietSaysNothing) {
  MemoryConsole console;
  Progress progress(console, true, clock());
  progress.update(bytes(1));
  progress.note("chose Q4_1");
  EXPECT_EQ(console.err_text(), "");
}

TEST_F(ProgressTest, ASubjectCannotDriveTheTerminal) {
  MemoryConsole console;
  Progress progress(console, false, clock());
  progress.update(
      {.phase = "start", .subject = "x\x1b[2J", .done = 0, .total = 0, .unit = "", .message = ""});
  EXPECT_EQ(console.err_text(), "starting x?[2J\n");
}

}  // namespace
}  // namespace slipway::cli
