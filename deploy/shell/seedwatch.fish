# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_seedwatch_global_optspecs
    string join \n config.file= config.check web.listen-address= web.config.file= web.telemetry-path= web.external-url= web.public web.max-requests= log.level= log.format= h/help V/version
end

function __fish_seedwatch_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_seedwatch_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_seedwatch_using_subcommand
    set -l cmd (__fish_seedwatch_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c seedwatch -n "__fish_seedwatch_needs_command" -l config.file -d 'Configuration file' -r -F
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.listen-address -d 'Address to listen on; may be repeated. Without a host: all addresses, IPv4 and IPv6' -r
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.config.file -d 'File with TLS, passwords and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.external-url -d 'URL under which a browser reaches the daemon, for example through a reverse proxy. Its path may stand before the path of every request' -r
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.max-requests -d 'Largest number of scrapes, pages and API lists answered at a time; 0 = 256' -r
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l log.level -d 'Lowest severity of the log lines to write' -r -f -a "debug\t'Everything, including single probes and connections'
info\t'Starts, stops, reloads and changes of state, and all warnings and errors'
warn\t'Problems that the program works around, and errors'
error\t'Failures only'"
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l log.format -d 'Format of the log lines' -r -f -a "logfmt\t'`key=value` pairs; values are quoted where needed'
json\t'One JSON object per line'"
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l config.check -d 'Check the configuration without the network, and exit: 0 if it is valid, 1 if not'
complete -c seedwatch -n "__fish_seedwatch_needs_command" -l web.public -d 'Let strangers read: there are no metrics, no configuration and no reload then'
complete -c seedwatch -n "__fish_seedwatch_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seedwatch -n "__fish_seedwatch_needs_command" -s V -l version -d 'Print version'
complete -c seedwatch -n "__fish_seedwatch_needs_command" -f -a "probe" -d 'Probe one torrent now, print its state and what each tracker and the DHT answer, and exit'
complete -c seedwatch -n "__fish_seedwatch_using_subcommand probe" -l output -d 'Format of the result' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c seedwatch -n "__fish_seedwatch_using_subcommand probe" -l config.file -d 'Configuration file' -r -F
complete -c seedwatch -n "__fish_seedwatch_using_subcommand probe" -l log.level -d 'Lowest severity of the log lines to write' -r -f -a "debug\t'Everything, including single probes and connections'
info\t'Starts, stops, reloads and changes of state, and all warnings and errors'
warn\t'Problems that the program works around, and errors'
error\t'Failures only'"
complete -c seedwatch -n "__fish_seedwatch_using_subcommand probe" -l log.format -d 'Format of the log lines' -r -f -a "logfmt\t'`key=value` pairs; values are quoted where needed'
json\t'One JSON object per line'"
complete -c seedwatch -n "__fish_seedwatch_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
