# slipway_llama: the llama.cpp libraries that tools/llama built for this processor. They are built once per commit
# and processor, outside our presets and without sanitizers (docs/decisions/0003-llama-cpp.md), so this file only
# points at them. SLIPWAY_LLAMA_DIR names the folder; tools/llama prints it.
if(NOT SLIPWAY_LLAMA_DIR)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/tools/llama path OUTPUT_VARIABLE SLIPWAY_LLAMA_DIR
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
set(llama_source ${SLIPWAY_LLAMA_DIR}/source)
set(llama_build ${SLIPWAY_LLAMA_DIR}/build)
if(NOT EXISTS ${llama_build}/.complete)
  message(FATAL_ERROR "llama.cpp is not built in ${SLIPWAY_LLAMA_DIR}. Run: tools/llama build")
endif()
file(STRINGS ${llama_build}/.complete llama_libraries)

add_library(slipway_llama INTERFACE)
target_include_directories(slipway_llama SYSTEM INTERFACE
  ${llama_source}/include ${llama_source}/common ${llama_source}/ggml/include ${llama_source}/vendor)
target_link_libraries(slipway_llama INTERFACE
  -Wl,--start-group ${llama_libraries} -Wl,--end-group Threads::Threads ${CMAKE_DL_LIBS})
# The CUDA libraries that llama.cpp found: Debian 12's find_package(CUDAToolkit) fails on CUDA 13. The driver by name: the
# toolkit's copy of it is for linking only, and at run time the machine's own must be found.
if(llama_libraries MATCHES "libggml-cuda")
  load_cache(${llama_build} READ_WITH_PREFIX llama_
             CUDA_cudart_static_LIBRARY CUDA_cublas_LIBRARY CUDA_cublasLt_LIBRARY CUDA_cuda_driver_LIBRARY)
  cmake_path(GET llama_CUDA_cuda_driver_LIBRARY PARENT_PATH llama_driver)
  target_link_libraries(slipway_llama INTERFACE ${llama_CUDA_cudart_static_LIBRARY} ${llama_CUDA_cublas_LIBRARY}
                        ${llama_CUDA_cublasLt_LIBRARY} -L${llama_driver} -lcuda rt)
endif()
