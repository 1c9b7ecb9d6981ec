#include <string>
#include <vector>

#include "cli/app.h"

int main(int argc, char** argv) {
  slipway::cli::StdConsole console;
  return slipway::cli::run(std::vector<std::string>(argv + 1, argv + argc), console);
}
