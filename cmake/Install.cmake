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

# The unit names the program by its full path.
file(READ config/wcowd.service unit)
string(REPLACE "/usr/bin/wcowd" "${CMAKE_INSTALL_FULL_BINDIR}/wcowd" unit "${unit}")
file(WRITE "${CMAKE_BINARY_DIR}/config/wcowd.service" "${unit}")
install(FILES "${CMAKE_BINARY_DIR}/config/wcowd.service" config/wcowd.socket
        DESTINATION lib/systemd/system)
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
file(GLOB documents CONFIGURE_DEPENDS docs/*.md)
install(FILES README.md CHANGELOG.md SECURITY.md LICENSE ${documents}
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs/decisions DESTINATION "${CMAKE_INSTALL_DOCDIR}")
