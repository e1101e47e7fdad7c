// SPDX-License-Identifier: Apache-2.0

// snapshots-peer serves containerd's own overlayfs snapshotter as a proxy plugin, for comparison:
//
//	snapshots-peer SOCKET ROOT
//
// Built in GOPATH mode with Debian's golang-github-containerd-containerd-dev.
package main

import (
	"log"
	"net"
	"os"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/containerd/snapshots/overlay"
	"google.golang.org/grpc"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: snapshots-peer SOCKET ROOT")
	}
	snapshotter, err := overlay.NewSnapshotter(os.Args[2], overlay.AsynchronousRemove)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	log.Fatal(server.Serve(listener))
}
