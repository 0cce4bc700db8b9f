#!/bin/bash
# The parts of scripts/bench, which has what they call: part_NAME measures and calls row, or fails. What it
# starts is ended behind it.
# shellcheck disable=SC2034,SC2154 # variables that one of the two files sets and the other reads

PARTS="fanout whole merge memory turns connections session rest reply rss start image"

about() {
	local text
	case $1 in
	fanout) text="a request to 100, 1,000 and 4,000 nodes, beside clients that only fetch" ;;
	whole) text="1,000 replies of 30 KB fetched, checked, merged and sent, beside the least that this takes" ;;
	merge) text="checking and merging alone, beside memcpy and cJSON" ;;
	memory) text="what merging needs beyond the replies it holds" ;;
	turns) text="the longest turn of the loop" ;;
	connections) text="new connections to nodes that were asked before" ;;
	session) text="reading one session of 1,000 nodes, its node known and not" ;;
	rest) text="small replies of our own, beside nginx" ;;
	reply) text="merged replies of 1 MB, beside nginx with a file" ;;
	rss) text="resident memory with 3, 1,000 and 5,000 nodes" ;;
	start) text="from the start to listening and to the first merged reply" ;;
	image) text="size of the container image" ;;
	esac
	printf '%-12s %s\n' "$1" "$text"
}

# start_nodes PODS:SIZE...: what nodes answer to /v1/pods and to /v1/trace-hooks. Sets $nodes_port.
start_nodes() {
	start nodes "$beside" "$bin/bench/nodes" "$@"
	await nodes 's/^port=//p' || return
	nodes_port=$found
}

# start_daemon OPTION...: sets $daemon, its process, and $port. What counts is CPU time: a machine that is
# busy may take long for it.
start_daemon() {
	start daemon "$measured" "$bin/tracer-svc" --address 127.0.0.1:0 --timeout 60s "$@"
	daemon=$pid
	await daemon 's/.*listens on 127.0.0.1://p' || return
	port=$found
}

# The first COUNT of those nodes, as --nodes wants them.
node_list() {
	seq 0 $(($1 - 1)) | awk -v port="$nodes_port" \
		'{ printf "%s127.1.%d.%d:%d", (NR > 1 ? "," : ""), int($1 / 250), $1 % 250 + 1, port }'
}

# ask PATH NODES: the daemon, once; fails unless the reply has the answer of so many nodes.
ask() {
	taskset -c "$beside" curl -s -D "$work/head" -o "$work/body" "http://127.0.0.1:$port$1"
	grep -q "^Tracer-Nodes: total=$2, ok=$2," "$work/head" && return
	complain "$1: $(grep -E '^(HTTP|Tracer)' "$work/head")"
	return 1
}

# How often one is over the other, with what both are.
over() { printf '%.1f us over %.1f us' "$1" "$2"; }

# Words of the table, and of numbers that are read below.
with_commas() { sed ':a;s/\B[0-9]\{3\}\>/,&/;ta' <<<"$1"; }

# ask_all COUNT RUNS: fanout_bench on so many nodes, each run with a daemon of its own, as two of the same
# program differ by some per cent. Its lines are in $work/runs.
ask_all() {
	: >"$work/runs"
	for _ in $(seq "$2"); do
		start_nodes 3:2048 && start_daemon --nodes "$(node_list "$1")" || return
		ask /v1/pods "$1" || return
		[ "$(jq length "$work/body")" -eq $((3 * $1)) ] || return
		run "$bin/bench/fanout_bench" "$daemon" "$port" "$nodes_port" "$1" 2048 15 || return
		cat "$work/output" >>"$work/runs"
		end_all
	done
}

# middle_run COLUMN: the run whose number there is the median.
middle_run() { sort -g -k "$1,$1" "$work/runs" | awk '{ run[NR] = $0 } END { print run[int((NR + 1) / 2)] }'; }

part_fanout() {
	local nodes floor us curl bare over_curl over_bare few="" least name
	for nodes in 100 1000 4000; do
		name="fan-out to $(with_commas $nodes), 2 KB, CPU a node"
		floor=$([ $nodes -eq 4000 ] && echo 5.0 || echo 4.5)
		ask_all $nodes 3 || return
		read -r us curl _ over_curl _ < <(middle_run 4)
		row "fanout-curl-$nodes" "$name" "libcurl client" "$over_curl" x "<=" 1.25 1.1 "$(over "$us" "$curl")"
		read -r us _ bare _ over_bare < <(middle_run 5)
		least=$(cut -d ' ' -f 1 "$work/runs" | sort -g | head -n 1)
		few=${few:-$least}
		row "fanout-epoll-$nodes" "$name" "epoll client" "$over_bare" x "<=" "$floor" 3.5 "$(over "$us" "$bare")"
	done
	row fanout-flat "fan-out, CPU a node, of 4,000" "of 100" "$(calc "$least / $few")" x "<=" 2.0 1.5 "$(over "$least" "$few"), the least of three runs"
}

part_whole() {
	local us curl bare over_curl over_bare
	start_nodes 1:400 13:30000 && start_daemon --nodes "$(node_list 1000)" || return
	run "$bin/bench/fanout_bench" "$daemon" "$port" "$nodes_port" 1000 30000 15 whole || return
	read -r us curl bare over_curl over_bare <"$work/output"
	row whole "whole request, 1,000 x 30 KB, CPU" "fetch, copy, write" "$over_bare" x "<=" 4.5 2.8 "$(over "$us" "$bare")"
	row whole-curl "whole request, 1,000 x 30 KB, CPU" "libcurl, fetch only" "$over_curl" x "<=" null null "$(over "$us" "$curl")"
}

part_merge() {
	local ours memory tree over_tree size
	run "$bin/bench/merge_bench" || return
	read -r ours memory tree over_tree size <"$work/output"
	row merge "check and merge, 1,000 x 31 KB" "" "$ours" GB/s ">=" 0.7 1.2 "$size bytes"
	row merge-cjson "check and merge, 1,000 x 31 KB" "cJSON" "$over_tree" x ">=" 25 null "cJSON $tree GB/s"
	row merge-memcpy "check and merge, 1,000 x 31 KB" "memcpy" "$(calc "$ours / $memory")" x ">=" null null "memcpy $memory GB/s"
}

# start_daemon_with NAME OPTION...: and with a library of ours that writes numbers to a file.
start_daemon_with() {
	local name=$1
	shift
	: >"$work/record"
	start daemon "$measured" env LD_PRELOAD="$PWD/$bin/bench/$name.so" "${name^^}_FILE=$work/record" \
		"$bin/tracer-svc" --address 127.0.0.1:0 --timeout 60s "$@"
	await daemon 's/.*listens on 127.0.0.1://p' || return
	port=$found
}

# The nth number in the file, and all from the nth on to zero.
recorded() { od -An -t u8 -j $((8 * $1)) -N 8 "$work/record" | tr -d ' '; }
record_anew() { dd if=/dev/zero of="$work/record" bs=8 seek="$1" count="$2" conv=notrunc status=none; }

part_memory() {
	local before most bodies=30000000
	start_nodes 1:400 13:30000 && start_daemon_with heap --nodes "$(node_list 1000)" || return
	ask /v1/pods 1000 && ask /v1/pods 1000 || return
	before=$(recorded 0)
	record_anew 1 1
	ask /v1/trace-hooks 1000 || return
	most=$(recorded 1)
	[ "$((most - before))" -ge $bodies ] || { complain "the heap did not hold the replies"; return 1; }
	row memory "memory while merging 1,000 x 30 KB" "the replies held" \
		"$(calc "100.0 * ($most - $before - $bodies) / $bodies")" % "<=" 10 5 "$((most - before)) bytes"
}

part_turns() {
	local nodes i wall
	for nodes in 1000 4000; do
		start_nodes 3:2048 && start_daemon_with turns --nodes "$(node_list $nodes)" || return
		ask /v1/pods $nodes && ask /v1/pods $nodes || return
		: >"$work/wall" && : >"$work/cpu"
		for i in {1..20}; do
			record_anew 0 3
			ask /v1/pods $nodes || return
			[ "$(recorded 0)" -gt 0 ] || { complain "no turn was seen"; return 1; }
			recorded 1 >>"$work/wall"
			recorded 2 >>"$work/cpu"
		done
		wall=$(median <"$work/wall")
		# interrupts count as CPU time: what one fan-out of twenty has and the others have not is theirs
		sort -g -o "$work/cpu" "$work/cpu"
		row "turns-$nodes" "longest turn of a fan-out to $(with_commas $nodes), CPU" "" \
			"$(calc "$(sed -n 18p "$work/cpu") / 1e6")" ms "<=" 2 0.5 \
			"18 of $i; the longest of all $(calc "$(sed -n 20p "$work/cpu") / 1e6" %.1f) ms; by the clock $(calc "$wall / 1e6" %.1f) ms, median"
		end_all
	done
}

# How many connections the nodes have accepted, that of this question included.
accepted() { curl -s "http://127.1.0.1:$nodes_port/connections"; }

part_connections() {
	local before after i
	start_nodes 3:2048 && start_daemon --nodes "$(node_list 1000)" || return
	ask /v1/pods 1000 && ask /v1/pods 1000 || return
	before=$(accepted) || return
	for i in {1..10}; do ask /v1/pods 1000 || return; done
	after=$(accepted) || return
	row connections "new connections a fan-out to 1,000" "" "$(calc "($after - $before - 1) / $i")" "" "<=" 0 0 "$i fan-outs"
	before=$after
	for i in {1..3}; do sleep 5 && ask /v1/pods 1000 || return; done
	after=$(accepted) || return
	row connections-pause "the same, 5 s after the one before" "" "$(calc "($after - $before - 1) / $i")" "" "<=" 0 0 "$i fan-outs"
}

# start_cluster NODES: a simulated cluster. Sets $api.
start_cluster() {
	start cluster "$beside" "$bin/tracer-sim" --nodes "$1" --pods-per-node 3
	await cluster 's/^api=//p' || return
	api=$found
	await cluster '/^ready/p'
}

# Until the daemon has found the nodes.
found_nodes() {
	local end=$((SECONDS + 30))
	until curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"; do
		[ $SECONDS -lt $end ] || { complain "discovery found nothing"; return 1; }
		sleep 0.1
	done
}

# CPU time of the daemon for each of 50 reads of a session, in microseconds, by its id.
read_session() {
	local before after reads=50
	before=$(cpu_s "$daemon") || return
	curl -s -o /dev/null "http://127.0.0.1:$port/v1/trace-session/$1?x=[1-$reads]"
	after=$(cpu_s "$daemon") && calc "($after - $before) * 1e6 / $reads"
}

part_session() {
	local id known unknown
	start_cluster 1000 && start_daemon --kube-server "$api" && found_nodes || return
	id=$(curl -s "http://127.0.0.1:$port/v1/trace-session" --json \
		'{"pod":"web-500-a","container":"*","trace-hook":"ticker"}' | jq -r keys[0])
	ask "/v1/trace-session/all?timeout=20s" 1000 || return
	for _ in {1..5}; do
		unknown=$(read_session 5) && echo "$unknown" >>"$work/unknown" || return
		known=$(read_session "$id") && echo "$known" >>"$work/known" || return
	done
	curl -s -D "$work/head" -o /dev/null "http://127.0.0.1:$port/v1/trace-session/$id"
	grep -q '^Tracer-Nodes: total=1000, ok=1, miss=999,' "$work/head" || return
	known=$(median <"$work/known") unknown=$(median <"$work/unknown")
	row session "a session of 1,000 nodes, reads a CPU second" "asking all of them" "$(calc "$unknown / $known")" x ">=" null null \
		"$(printf '%.0f us instead of %.0f us' "$known" "$unknown")"
}

# Sets $NGINX. Where it is not installed it is only unpacked: installed, it would serve port 80 from then on.
find_nginx() {
	NGINX=$(PATH=$PATH:/usr/sbin command -v nginx) && return
	NGINX=$PWD/$out/nginx/usr/sbin/nginx
	[ -x "$NGINX" ] && return
	echo "fetching from Debian, without installing it: nginx"
	(cd "$work" && apt-get download -q nginx && dpkg -x nginx_*.deb "$OLDPWD/$out/nginx") >"$work/nginx" 2>&1 ||
		{ complain "no nginx: $(tail -n 3 "$work/nginx")"; return 1; }
}

# start_nginx BODY: one process with BODY at /version and the files of $work/files. Sets $nginx, $nginx_port.
start_nginx() {
	local try
	for try in {1..5}; do
		nginx_port=$((20000 + RANDOM % 10000))
		cat >"$work/nginx.conf" <<-END
			worker_processes 1;
			daemon off;
			master_process off;
			pid $work/nginx.pid;
			error_log stderr warn;
			events { worker_connections 1024; }
			http {
				access_log off;
				default_type application/json;
				keepalive_requests 1000000000;
				sendfile on;
				tcp_nopush on;
				open_file_cache max=10;
				client_body_temp_path $work/t1;
				proxy_temp_path $work/t2;
				fastcgi_temp_path $work/t3;
				uwsgi_temp_path $work/t4;
				scgi_temp_path $work/t5;
				server {
					listen 127.0.0.1:$nginx_port;
					location / { root $work/files; }
					location = /version { return 200 '$1'; }
				}
			}
		END
		start nginx "$measured" "$NGINX" -e stderr -p "$work" -c "$work/nginx.conf"
		nginx=$pid
		for _ in {1..40}; do
			kill -0 "$nginx" 2>/dev/null || break
			! curl -s -o /dev/null "http://127.0.0.1:$nginx_port/version" || return 0
			sleep 0.05
		done
	done
	complain "nginx does not start after $try tries: $(tail -n 3 "$work/nginx")"
	return 1
}

# CPU time of a process so far, in seconds.
cpu_s() {
	local ns
	read -r ns _ <"/proc/$1/schedstat" && calc "$ns / 1e9"
}

# load PROCESS PORT PATH CONNECTIONS: for a second. Adds to NAME.rate and NAME.cpu in $work, for the NAME of
# the fifth argument, how many requests there were a second and a second of CPU time.
load() {
	local before after
	before=$(cpu_s "$1") || return
	run taskset -c "$beside" wrk -t1 -c"$4" -d1s "http://127.0.0.1:$2$3" || return
	after=$(cpu_s "$1") || return
	if grep -qE 'Socket errors|Non-2xx' "$work/output"; then
		complain "$5: $(grep -E 'Socket errors|Non-2xx' "$work/output")"
		return 1
	fi
	sed -n 's/^Requests.sec: *//p' "$work/output" >>"$work/$5.rate"
	calc "$(awk '/ requests in / { print $1 }' "$work/output") / ($after - $before)" >>"$work/$5.cpu"
	echo >>"$work/$5.cpu"
}

# load_both PATH FILE CONNECTIONS: the daemon's PATH and nginx's FILE in turns.
load_both() {
	rm -f "$work"/*.rate "$work"/*.cpu
	for _ in {1..5}; do
		load "$daemon" "$port" "$1" "$3" ours || return
		load "$nginx" "$nginx_port" "$2" "$3" theirs || return
	done
}

# The median of the ratios of each turn.
ratio() { paste "$work/ours.$1" "$work/theirs.$1" | awk '{ print $1 / $2 }' | median; }
medians() { printf '%.0f over %.0f' "$(median <"$work/ours.$1")" "$(median <"$work/theirs.$1")"; }

part_rest() {
	find_nginx && start_nodes 1:400 && start_daemon --nodes "$(node_list 1)" || return
	local body
	body=$(curl -s "http://127.0.0.1:$port/version" && echo .) # its last line end included
	start_nginx "${body%.*}" || return
	load_both /version /version 64 || return
	row rest "GET /version, requests a CPU second" "nginx, return 200" "$(ratio cpu)" x ">=" 0.5 0.6 "$(medians cpu)"
}

part_reply() {
	find_nginx && start_nodes 100:262144 && start_daemon --nodes "$(node_list 4)" || return
	ask /v1/pods 4 && mkdir -p "$work/files" && cp "$work/body" "$work/files/pods" || return
	chmod 755 "$work" "$work/files"
	start_nginx "" || return
	load_both /v1/pods /pods 16 || return
	row reply "1 MB merged of 4 nodes, replies a second" "nginx, a file" "$(ratio rate)" x ">=" 1.0 1.5 "$(medians rate)"
	row reply-cpu "1 MB merged of 4 nodes, replies a CPU second" "nginx, a file" "$(ratio cpu)" x ">=" null null "$(medians cpu)"
}

resident_mb() { awk '/^VmRSS/ { printf "%.2f", $2 / 1024 }' "/proc/$daemon/status"; }

# rss NODES GOAL BEYOND: after some rounds of discovery.
rss() {
	local idle
	start_cluster "$1" && start_daemon --poll 500ms --kube-server "$api" && found_nodes || return
	sleep 3
	idle=$(resident_mb)
	ask /v1/pods "$1" || return
	row "rss-$1" "resident memory, $(with_commas "$1") nodes, idle" "" "$idle" MB "<=" "$2" "$3" "after a fan-out $(resident_mb) MB"
	end_all
}

part_rss() { rss 3 10 6 && rss 1000 24 14 && rss 5000 64 40; }

part_start() {
	local listening replying
	start_cluster 3 || return
	run taskset -c "$measured" "$bin/bench/start_bench" 3 21 \
		"$bin/tracer-svc" --address 127.0.0.1:0 --kube-server "$api" || return
	read -r listening replying <"$work/output"
	row start-listening "from start to listening" "" "$listening" ms "<=" 20 null ""
	row start-reply "from start to the first merged reply" "" "$replying" ms "<=" 100 null "discovery included"
}

# What part_image has made in docker: gone again, also after a signal.
builds_image="" container=""
drop_image() {
	local image
	[ -z "$container" ] || docker rm "$container" >/dev/null 2>&1
	[ -z "$builds_image" ] || while read -r image; do docker rmi -f "$image" >/dev/null 2>&1; done <"$work/output"
	builds_image="" container=""
}

part_image() {
	local unpacked packed
	if ! docker info >/dev/null 2>&1; then
		echo "image: skipped, docker is not there"
		return 0
	fi
	builds_image=yes
	run scripts/build-image tracer-svc-bench-$$ &&
		container=$(docker create tracer-svc-bench-$$-image) || return
	docker export "$container" >"$work/image" || return
	unpacked=$(wc -c <"$work/image")
	packed=$(gzip -c "$work/image" | wc -c)
	row image "image, unpacked" "" "$(calc "$unpacked / 1e6")" MB "<=" 25 14 ""
	row image-packed "image, compressed" "" "$(calc "$packed / 1e6")" MB "<=" 10 6 "gzip"
}
