package overlay

// A danger is a row of the table: paths that make something run later, or let somebody in, and why.
type danger struct {
	class string // one word, as in JSON
	why   string // for people, said after the path
	when  when
	paths string // separated by spaces; see DangerRule.Path
}

// A when says which changes of the paths matter.
type when uint8

const (
	whenMade    when = iota // when it is made or changed
	whenGone                // when it is taken away, too: what it forbade is allowed then
	whenCommand             // when it comes to name commands; it is git's configuration, which changes for many reasons
)

// Classes that no row of the table has.
const (
	classCove       = "cove"
	classGit        = "git"
	classProgram    = "program"
	classExecutable = "executable"
	classSetuid     = "setuid"
	classAccess     = "access"
	classLink       = "link"
	classSpecial    = "special"
	classYours      = "yours"
)

// HazardHidden is the class of what the flag Hidden says, too.
const HazardHidden = "hidden"

// dangers is the table. A program that is not in it can be added in danger.toml.
//
// What a tool runs in any project that somebody works on begins with **/. What a project says that is run when it is
// built or tested (Makefile, package.json) is its content, and not here: it is reviewed as such.
var dangers = []danger{
	{classCove, "it decides what sandboxes may do", whenGone, ".config/cove/** .local/share/cove/** **/.cove.toml"},

	// Whatever runs without being called.
	{"shell", "shells read it when they start", whenGone, ".profile .bash_profile .bash_login .bashrc .bash_logout .bash_aliases .bash_completion .bashrc.d/** " +
		".local/share/bash-completion/** .zshenv .zprofile .zshrc .zlogin .zlogout .zsh/** .config/zsh/** .oh-my-zsh/** .zprezto/** .shrc .kshrc .mkshrc .login .logout " +
		".cshrc .tcshrc .config/fish/** .local/share/fish/vendor_conf.d/** .local/share/fish/vendor_functions.d/** .config/nushell/** .config/elvish/** .xonshrc " +
		".config/xonsh/** .config/powershell/** .aliases .functions .inputrc .config/starship.toml"},
	{"login", "it is read or run when you log in", whenGone, ".xprofile .xsession .xsessionrc .xinitrc .xserverrc .pam_environment .config/environment.d/** .gnomerc " +
		".config/plasma-workspace/env/** .config/plasma-workspace/shutdown/** .config/uwsm/**"},
	{"autostart", "it is started when you log in", whenMade, ".config/autostart/** .config/autostart-scripts/** .config/lxsession/** .kde/Autostart/** .config/openbox/autostart"},
	{"session", "your desktop runs what it names", whenMade, ".config/i3/** .i3/** .config/sway/** .config/hypr/** .config/awesome/** .config/bspwm/** .config/sxhkd/** " +
		".config/qtile/** .config/openbox/** .config/herbstluftwm/** .config/river/** .config/labwc/** .config/niri/** .config/waybar/** .config/polybar/** .xmonad/** " +
		".config/xmonad/** .fluxbox/** .fvwm/** .xbindkeysrc .config/kglobalshortcutsrc .config/dconf/user .config/gtk-*/settings.ini .local/share/gnome-shell/extensions/** " +
		".local/share/plasma/** .local/share/kwin/** .local/share/cinnamon/**"},
	{"systemd", "systemd runs it, or what it names", whenMade, ".config/systemd/user/** .config/systemd/user.control/** .config/systemd/user.conf .config/systemd/user.conf.d/** " +
		".local/share/systemd/user/** .config/user-tmpfiles.d/** .local/share/user-tmpfiles.d/** .config/containers/systemd/**"},
	{"service", "it is started when a program asks for the service", whenMade, ".local/share/dbus-1/services/** .config/dbus-1/**"},
	{"cron", "it is run at its time", whenMade, ".crontab crontab .cron/** .anacron/** .anacrontab .fcrontab .config/cron/** .config/fcron/**"},
	{"mail", "it is run when mail comes, or is read or sent", whenMade, ".forward .forward+* .procmailrc .qmail .qmail-* .mailfilter .maildrop/** .mailrc .muttrc .mutt/** " +
		".config/mutt/** .config/neomutt/** .config/aerc/** .mbsyncrc .config/isyncrc .msmtprc .config/msmtp/** .fetchmailrc .getmail/** .offlineimaprc .config/offlineimap/**"},
	{"terminal", "terminals run what it names", whenMade, ".tmux.conf .tmux/** .config/tmux/** .screenrc .config/zellij/** .config/kitty/** .config/alacritty/** .alacritty.* " +
		".wezterm.lua .config/wezterm/** .config/ghostty/** .config/foot/**"},

	// Who may come in, and what is done with secrets.
	{"ssh", "it says who may log in, and what ssh trusts and runs", whenGone, ".ssh/** .rhosts .shosts .k5login .k5users"},
	{"trust", "it says whom you trust, or who you are", whenGone, ".gnupg/** .pki/** .local/share/keyrings/** .password-store/** .netrc .git-credentials .config/gh/** " +
		".config/glab-cli/** .pgpass .my.cnf"},
	{"helper", "it names programs that handle your credentials", whenGone, ".aws/config .kube/config .docker/config.json .docker/cli-plugins/** .config/containers/** " +
		".config/rclone/** .terraformrc .terraform.d/** .ansible.cfg .ansible/** **/ansible.cfg .local/share/helm/plugins/**"},

	// Version control.
	{classGit, "git runs it", whenMade, "**/.git/hooks/** **/.git/modules/**/hooks/** **/.githooks/** **/.husky/** .config/git/hooks/** .git-templates/** .git-template/** " +
		"**/.pre-commit-config.yaml **/lefthook.yml"},
	{classGit, "git may run what it names", whenCommand, ".gitconfig .config/git/config **/.git/config **/.git/config.worktree **/.git/worktrees/*/config.worktree **/.git/modules/**/config"},
	{classGit, "it says which commands of git's configuration run", whenMade, ".config/git/attributes **/.git/info/attributes"},
	{classGit, "it leads git to another repository, with a configuration and hooks of its own", whenMade, "**/.git **/.git/commondir **/.git/worktrees/*/commondir **/.git/worktrees/*/gitdir"},
	{"vcs", "version control runs what it names", whenMade, ".hgrc .config/hg/** **/.hg/hgrc .config/jj/** .jjconfig.toml **/.jj/repo/config.toml .subversion/** .bazaar/** " +
		".tigrc .config/tig/** .config/lazygit/**"},

	// What runs when a directory is entered, opened or worked in.
	{"direnv", "it is run when a shell enters the directory", whenMade, "**/.envrc .direnvrc .config/direnv/** .local/share/direnv/allow/** **/mise.toml **/.mise.toml " +
		"**/.mise/** .config/mise/** .asdfrc **/.autoenv.zsh"},
	{"editor", "editors run it, or what it names", whenMade, ".vimrc .gvimrc .exrc .nvimrc .ideavimrc .vim/** .config/nvim/** .local/share/nvim/site/** .local/share/nvim/lazy/** .emacs .emacs.el " +
		".emacs.d/** .config/emacs/** .spacemacs .spacemacs.d/** .doom.d/** .config/doom/** .nanorc .config/nano/** .config/helix/** .config/kak/** .config/micro/** .config/zed/** .vscode/** " +
		".vscode-server/** .vscode-oss/** .config/Code/User/** .config/VSCodium/User/** .cursor/** .config/Cursor/User/** .config/sublime-text*/** .config/JetBrains/** .local/share/JetBrains/**"},
	{"editor", "editors run what it names when they open the directory", whenMade, "**/.vscode/tasks.json **/.vscode/settings.json **/.vscode/launch.json **/*.code-workspace " +
		"**/.idea/workspace.xml **/.idea/runConfigurations/** **/.idea/watcherTasks.xml **/.zed/** **/.helix/** **/.vimrc **/.exrc **/.nvimrc **/.nvim.lua **/.lvimrc **/.dir-locals.el " +
		"**/.dir-locals-2.el **/.devcontainer/** **/.devcontainer.json"},
	{"agent", "coding agents run what it names", whenMade, ".claude/** .claude.json **/.claude/settings*.json **/.claude/hooks/** **/.mcp.json .codex/** .gemini/** " +
		"**/.gemini/settings.json .config/opencode/** **/opencode.json **/.cursor/** **/.aider.conf.yml .continue/**"},
	{"debugger", "debuggers run it", whenMade, "**/.gdbinit .config/gdb/** **/.lldbinit .lldbinit-*"},

	// What runs when something else is started, built or installed.
	{"packages", "a package manager or build tool runs what it names", whenGone, ".npmrc **/.npmrc .config/npm/** **/.yarnrc **/.yarnrc.yml **/.yarn/releases/** **/.yarn/plugins/** **/.pnpmfile.cjs " +
		".config/pnpm/** **/bunfig.toml .bunfig.toml .pip/** .config/pip/** .pydistutils.cfg .config/pypoetry/** .config/uv/** .condarc .cargo/env .cargo/config .cargo/config.toml " +
		"**/.cargo/config **/.cargo/config.toml .rustup/settings.toml .gemrc **/.bundle/config .composer/composer.json .config/composer/** .m2/settings*.xml .mavenrc **/.mvn/** .gradle/init.gradle " +
		".gradle/init.gradle.kts .gradle/init.d/** .gradle/gradle.properties .sbt/** .cabal/config .stack/config.yaml .opam/config .config/go/** .config/nix/** .config/nixpkgs/** " +
		".config/home-manager/** .config/guix/** .cpan/CPAN/MyConfig.pm .luarocks/config* .nuget/NuGet/** .makepkg.conf .config/pacman/** .rpmmacros .devscripts **/.bazelrc"},
	{"interpreter", "interpreters run it when they start", whenMade, ".local/lib/python*/site-packages/*.pth **/sitecustomize.py **/usercustomize.py .pythonrc .pythonrc.py .pystartup .ipython/*/startup/** " +
		".jupyter/** .local/share/jupyter/kernels/** .irbrc .config/irb/** .pryrc **/.Rprofile .Renviron .julia/config/** .node_modules/** .node_libraries/** **/.ghci .ocamlinit **/.octaverc"},
	{"desktop", "it says which program opens what, or starts one", whenMade, ".local/share/applications/** .config/mimeapps.list .config/*-mimeapps.list .local/share/mime/** .mailcap .mime.types " +
		"**/*.desktop .local/share/nautilus/** .local/share/nautilus-python/** .local/share/nemo/** .local/share/kio/** .local/share/kservices5/** .local/share/thumbnailers/** " +
		".config/Thunar/** .config/xfce4/** .config/menus/** .lessfilter .lesskey .config/lesskey"},
	{"browser", "your browser or mail program runs it, or trusts it", whenMade, ".mozilla/native-messaging-hosts/** .mozilla/firefox/*/user.js .mozilla/firefox/*/prefs.js .mozilla/firefox/*/extensions/** " +
		".thunderbird/*/user.js .thunderbird/*/prefs.js .thunderbird/*/extensions/** .config/*/NativeMessagingHosts/** .config/*/*/NativeMessagingHosts/** .config/*/*/Extensions/** " +
		".config/*/*/*Preferences .local/share/flatpak/** .var/app/**"},
	{"tool", "the tool runs what it names", whenMade, ".wgetrc .curlrc .config/curlrc .config/ranger/** .config/lf/** .config/yazi/** .config/vifm/** .mc/** .config/mc/** .local/share/mc/** " +
		".config/mpv/** .irssi/** .weechat/** .config/weechat/** .newsboat/** .config/newsboat/** .w3m/** .ctags.d/** .latexmkrc **/.latexmkrc **/latexmkrc .config/pipewire/** .config/pulse/**"},

	{classProgram, "it is run when its name is called", whenMade, "bin/* .bin/* .local/bin/* .cargo/bin/* go/bin/* .npm-global/bin/* .npm-packages/bin/* .yarn/bin/* .local/share/pnpm/* .bun/bin/* .deno/bin/* .volta/bin/* " +
		".nvm/nvm.sh .nvm/versions/*/*/bin/* .pyenv/bin/* .pyenv/shims/* .rbenv/bin/* .rbenv/shims/* .rvm/bin/* .asdf/bin/* .asdf/shims/* .local/share/mise/shims/* .sdkman/bin/* .sdkman/candidates/*/*/bin/* " +
		".krew/bin/* .dotnet/tools/* .ghcup/bin/* .cabal/bin/* .opam/*/bin/* .elan/bin/* .juliaup/bin/* .foundry/bin/* .poetry/bin/* .pixi/bin/* .gem/ruby/*/bin/* .local/share/gem/ruby/*/bin/* " +
		".composer/vendor/bin/* .config/composer/vendor/bin/* perl5/bin/* .luarocks/bin/* .nimble/bin/* .emacs.d/bin/* .config/emacs/bin/* miniconda3/bin/* anaconda3/bin/* miniforge3/bin/* .nix-profile " +
		".local/state/nix/profiles/**"},
}
