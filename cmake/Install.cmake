# cmake --install BUILD [--prefix /usr]: programs, systemd units, manual pages, configuration examples
# and documents. Nothing is installed below /etc: what stands there is the administrator's.
include(GNUInstallDirs)

foreach(program wcow wcowd)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

# What runs inside the containers of the executor "wine"; wcow-launch.exe where mingw-w64 made it.
install(TARGETS wcow-wine-init RUNTIME DESTINATION lib/wcow)
install(FILES "${CMAKE_BINARY_DIR}/wcow-launch.exe" DESTINATION lib/wcow OPTIONAL)

# The unit names the program by its full path, which --prefix may change.
install(FILES config/wcowd.service config/wcowd.socket DESTINATION lib/systemd/system)
install(CODE "
  set(bin \"${CMAKE_INSTALL_BINDIR}\")
  if(NOT IS_ABSOLUTE \"\${bin}\")
    set(bin \"\${CMAKE_INSTALL_PREFIX}/\${bin}\")
  endif()
  set(unit_file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/wcowd.service\")
  file(READ \"\${unit_file}\" unit)
  string(REPLACE \"/usr/bin/wcowd\" \"\${bin}/wcowd\" unit \"\${unit}\")
  file(WRITE \"\${unit_file}\" \"\${unit}\")
")
install(FILES config/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME wcow.conf)

file(GLOB man1 CONFIGURE_DEPENDS docs/man/*.1)
file(GLOB man5 CONFIGURE_DEPENDS docs/man/*.5)
file(GLOB man8 CONFIGURE_DEPENDS docs/man/*.8)
install(FILES ${man1} DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
install(FILES ${man5} DESTINATION "${CMAKE_INSTALL_MANDIR}/man5")
install(FILES ${man8} DESTINATION "${CMAKE_INSTALL_MANDIR}/man8")

install(FILES config/completions/wcow.bash
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME wcow)
install(FILES config/completions/_wcow DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES config/completions/wcow.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(FILES config/containerd-1.7.toml config/containerd-2.toml config/wcowd.conf
        DESTINATION "${CMAKE_INSTALL_DATADIR}/wcow")
# As they lie here, so that what they link to is where they say.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}")
