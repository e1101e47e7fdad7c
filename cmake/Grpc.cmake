# gRPC's C core, named by hand: its pkg-config file links dozens of libraries that only C++ needs.
#
# wcow and wcowd take the archives of it and of what it stands on, where there are any: loading its 45
# shared libraries took a third of the time that a build from the cache needs, and their code is loaded
# by no other program anyway. Tests take the shared ones, which link faster.
option(WCOW_STATIC_GRPC "Link gRPC's archives into the programs, where they are" ON)
find_path(WCOW_GRPC_INCLUDE grpc/grpc.h REQUIRED)
add_library(wcow_grpc_shared INTERFACE)
target_link_libraries(wcow_grpc_shared INTERFACE grpc_unsecure gpr)

# wcow_find_grpc_archives(OUT): the linker's arguments for all of them, or nothing where one is missing.
function(wcow_find_grpc_archives out)
  set(${out} "" PARENT_SCOPE)
  pkg_check_modules(GRPC QUIET grpc_unsecure)
  set(names ${GRPC_STATIC_LIBRARIES})
  list(FILTER names INCLUDE REGEX "^absl_")
  list(REMOVE_DUPLICATES names)
  set(archives "")
  foreach(name grpc_unsecure gpr address_sorting upb cares ${names})
    find_library(WCOW_ARCHIVE_${name} NAMES lib${name}.a)
    if(NOT WCOW_ARCHIVE_${name})
      return()
    endif()
    list(APPEND archives "${WCOW_ARCHIVE_${name}}")
  endforeach()
  string(REPLACE ";" "," archives "${archives}")
  set(${out} "-Wl,--start-group,${archives},--end-group" stdc++ z m PARENT_SCOPE)
endfunction()

if(WCOW_STATIC_GRPC AND NOT WCOW_SANITIZE)
  wcow_find_grpc_archives(archives)
  if(archives)
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES "${WCOW_GRPC_INCLUDE}")
    set(CMAKE_REQUIRED_LIBRARIES ${archives} Threads::Threads)
    check_c_source_compiles("
      #include <grpc/grpc.h>
      #include <grpc/grpc_security.h>
      int main(void) { grpc_init(); (void)grpc_insecure_credentials_create(); grpc_shutdown(); return 0; }
    " WCOW_GRPC_ARCHIVES_LINK)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
  endif()
endif()
if(WCOW_GRPC_ARCHIVES_LINK)
  add_library(wcow_grpc_static INTERFACE)
  target_link_libraries(wcow_grpc_static INTERFACE ${archives})
else()
  message(STATUS "gRPC is linked as a shared library: programs start more slowly")
  add_library(wcow_grpc_static ALIAS wcow_grpc_shared)
endif()
