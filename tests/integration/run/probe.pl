# SPDX-License-Identifier: Apache-2.0
# What a program can reach from inside RUN's container: run there as a plain Linux program (Wine starts
# those, too), so that nothing of Wine stands between it and the kernel. A line for each finding.
use strict;
use warnings;
use Errno;
use Socket;

open(my $out, '>', '/wine/c/probing') or die;

sub found {
    print $out join(' ', @_), "\n";
}

# try NAME, RESULT: -1 is refused, with why.
sub try {
    my ($name, $result) = @_;
    found($name, defined $result && $result != -1 ? "WORKS" : "refused: $!");
}

opendir(my $root, '/') or die;
found('root:', sort grep { !/^\.\.?$/ } readdir $root);
opendir(my $etc, '/etc') or die;
found('etc:', sort grep { !/^\.\.?$/ } readdir $etc);
opendir(my $proc, '/proc') or die;
found('processes of the host:', scalar(grep { /^\d+$/ && $_ > 200 } readdir $proc) ? 'SEEN' : 'none');
open(my $status, '<', '/proc/self/status') or die;
while (<$status>) {
    chomp;
    found(split) if /^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):/;
}
open(my $personality, '<', '/proc/self/personality') or die;
found('personality', <$personality> =~ /(\S+)/);
opendir(my $fds, '/dev') or die;
found('devices:', sort grep { !/^\.\.?$/ } readdir $fds);
for my $path ('/run/containerd', '/var/lib/containerd', '/var/lib/wcow', '/root', '/home', '/sys/kernel', '/var') {
    found("path $path", -e $path ? 'SEEN' : 'absent');
}
for my $path ('/new', '/usr/new', '/etc/new', '/wine/bin/new', '/proc/sys/kernel/core_pattern') {
    found("write $path", open(my $f, '>', $path) ? 'WORKS' : "refused: $!");
}

# System calls of x86-64 by number: each is refused before the kernel looks at its arguments.
my %calls = (
    mount => 165, umount2 => 166, pivot_root => 155, chroot => 161, unshare => 272, setns => 308,
    bpf => 321, perf_event_open => 298, keyctl => 250, add_key => 248, init_module => 175,
    kexec_load => 246, open_by_handle_at => 304, name_to_handle_at => 303, userfaultfd => 323,
    io_uring_setup => 425, reboot => 169, swapon => 167, sethostname => 170, setuid => 105,
    iopl => 172, acct => 163, quotactl => 179, settimeofday => 164, syslog => 103, fsopen => 430,
);
for my $name (sort keys %calls) {
    my $r = syscall($calls{$name}, 0, 0, 0, 0, 0);
    found("call $name", $r != -1 ? 'WORKS' : $!{EPERM} ? 'refused' : "REACHED: $!");
}
# clone with CLONE_NEWUSER; a socket of the packet family and one for virtual machines
try('clone of a namespace', syscall(56, 0x10000000, 0, 0, 0, 0));
try('socket packet', syscall(41, 17, 3, 0));
try('socket vsock', syscall(41, 40, 1, 0));
my $node = '/tmp/disk';
try('device node', syscall(133, $node, 060600, 0x0800));
my $answers = 0;
if (socket(my $s, AF_INET, SOCK_DGRAM, 0)) {
    $answers = connect($s, sockaddr_in(53, inet_aton('192.0.2.1')));
}
found('network', $answers ? 'there' : 'none');

close($out);
rename('/wine/c/probing', '/wine/c/probed.txt');
