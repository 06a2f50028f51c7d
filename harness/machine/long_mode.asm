; A boot sector that says whether this accelerator runs 64-bit code, and how fast.
; It reports on the debug console (port 0x402): 1 when it runs, 2 in long mode, 3 after the
; measured loop. Then it ends QEMU through isa-debug-exit (port 0xf4).
;
; nasm -f bin long_mode.asm -o long_mode.bin
; The way into long mode: Intel SDM volume 3A, section 10.8.5.

        bits 16
        org 0x7c00

LOOPS   equ 100000000
PML4    equ 0x1000
PDPT    equ 0x2000
PD      equ 0x3000

        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov dx, 0x402
        mov al, 1
        out dx, al

        mov edi, PML4                   ; one 2 MiB page, identity mapped
        xor eax, eax
        mov ecx, 3 * 1024
        rep stosd
        mov dword [PML4], PDPT | 3      ; present, writable
        mov dword [PDPT], PD | 3
        mov dword [PD], 0x83            ; present, writable, large
        mov eax, PML4
        mov cr3, eax
        mov eax, cr4
        or eax, 1 << 5                  ; CR4.PAE
        mov cr4, eax
        mov ecx, 0xc0000080             ; IA32_EFER
        rdmsr
        or eax, 1 << 8                  ; EFER.LME
        wrmsr
        lgdt [gdtr]
        mov eax, 0x80000001             ; CR0.PG and CR0.PE
        mov cr0, eax
        jmp 8:long_mode

        bits 64
long_mode:
        mov dx, 0x402                   ; rdmsr took it
        mov al, 2
        out dx, al
        mov ecx, LOOPS
        mov rsi, 0x4000
measured:
        add [rsi], rcx
        dec rcx
        jnz measured
        mov al, 3
        out dx, al
        mov dx, 0xf4
        xor eax, eax
        out dx, al
stop:   hlt
        jmp stop

        align 8
gdt:    dq 0
        dq 0x00209a0000000000           ; 64-bit code, present
gdtr:   dw $ - gdt - 1
        dq gdt

        times 510 - ($ - $$) db 0
        dw 0xaa55
